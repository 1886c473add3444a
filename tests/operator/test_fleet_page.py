"""The fleet page over real HTTP: what it shows, who may read it, what it never does."""

import base64
import re
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.unblocking import rank_repairs
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune_kube.serving import ListenSettings
from schedune_operator.seen.page.markup import path, piece, tag
from schedune_operator.seen.page.repairs import MOST_ASKED, Repairs
from schedune_operator.seen.reading import Reading
from schedune_testing.recordings import Object, workload
from schedune_testing.seen import changed, decided, recorded_nodes, settled, shown, world_of

HOSTILE = "<script>fetch('//evil.example')</script>\"'><img src=x onerror=alert(1)>\u202e"


async def read(session: aiohttp.ClientSession, address: str, **headers: str) -> tuple[int, str]:
    async with session.get(address, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text()


def small_world() -> Reading:
    ready, bound = settled("runs", "arm-01-1")
    waits = workload("waits", resources={"vcpus": 1, "memory": "900Gi"})
    found = world_of(recorded_nodes(4), [ready, waits], placements=[bound])
    decided(found, waits)
    return found


async def test_every_page_is_there_and_leads_to_the_explanation() -> None:
    async with shown(small_world()) as session:
        status, first = await read(session, "/")
        assert status == 200
        assert 'href="/workloads/default/waits"' in first
        assert "REJECT_INSUFFICIENT_MEMORY" in first
        status, one = await read(session, "/workloads/default/waits")
        assert status == 200
        assert "No node can run it. 0/4 nodes can run this VM" in one
        assert "Smallest changes that free nodes" in one
        status, node = await read(session, "/nodes/arm-01-1")
        assert status == 200
        assert 'href="/workloads/default/runs"' in node
        assert "kvm_vm_launch" in node


async def test_a_workload_that_runs_is_not_in_its_own_way_and_keeps_its_claim() -> None:
    ready, bound = settled("runs", "arm-01-1", boot={"kernel": {"artifact": "payments-kernel"}})
    found = world_of(recorded_nodes(1), [ready], placements=[bound])
    claimed = dict(found.fleet().claims.held)
    assert claimed
    async with shown(found) as session:
        _, told = await read(session, "/workloads/default/runs")
    assert "arm-01-1 is chosen" in told
    assert "A VM of it is on arm-01-1 now" in told
    assert found.fleet().claims.held == claimed


@pytest.mark.parametrize(
    ("stalled", "colours"), [(True, ["no", "no", "stalled"]), (False, ["no", "starting", "no"])]
)
async def test_a_condition_has_the_colour_of_what_it_means(
    stalled: bool, colours: list[str]
) -> None:
    waits = workload("waits", resources={"vcpus": 1, "memory": "900Gi"})
    found = world_of(recorded_nodes(1), [waits])
    decided(found, waits, stalled=stalled)
    async with shown(found) as session:
        _, told = await read(session, "/workloads/default/waits")
    shown_as = dict(re.findall(r"<td>(\w+)</td><td><span class=\"badge (\w+)\"", told))
    assert [shown_as[kind] for kind in ("Ready", "Reconciling", "Stalled")] == colours
    assert shown_as["Validated"] == "unknown"


@pytest.mark.parametrize("address", ["/nodes/nowhere", "/workloads/default/nothing", "/secrets"])
async def test_what_is_not_there_is_said(address: str) -> None:
    async with shown(small_world()) as session:
        assert (await read(session, address))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with shown(small_world()) as session:
        for address in ("/", "/nodes", "/workloads/default/waits"):
            async with session.request(method, address, data="x") as answer:
                assert answer.status == 405


@pytest.mark.parametrize("address", ["/", "/nodes/nowhere", "/secrets", "/fleet.css"])
async def test_a_browser_is_told_to_run_nothing_and_to_load_nothing_from_elsewhere(
    address: str,
) -> None:
    async with shown(small_world()) as session, session.get(address) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        assert "script" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_what_users_and_nodes_say_is_shown_and_never_acted_on() -> None:
    nodes, waits = recorded_nodes(4), workload("waits")
    nodes[1]["status"]["os"] = {"hostname": "h", "kernel": HOSTILE, "name": HOSTILE}
    nodes[1]["status"]["capabilities"][0]["message"] = HOSTILE
    found = world_of(nodes, [waits])
    decided(found, waits)
    waits["status"]["conditions"][0]["message"] = HOSTILE
    waits["status"]["why"] = [HOSTILE]
    waits["status"]["history"] = [{"attempt": 1, "exitReason": HOSTILE}]
    changed(found, waits)
    async with shown(found) as session:
        for address in ("/", "/workloads", "/workloads/default/waits", "/nodes/arm-01-1"):
            _, told = await read(session, address)
            assert "<script" not in told
            assert "<img" not in told
            assert "\u202e" not in told
            assert "&lt;script&gt;" in told
        for query in ({"q": HOSTILE}, {"state": HOSTILE}, {"code": HOSTILE, "page": HOSTILE}):
            async with session.get("/workloads", params=query) as answer:
                assert answer.status == 200
                assert "<script" not in await answer.text()


def test_text_is_escaped_and_pieces_of_html_are_not() -> None:
    made = tag("p", tag("b", "<&>"), '"', title='"><x', class_="a")
    assert made == '<p title="&quot;&gt;&lt;x" class="a"><b>&lt;&amp;&gt;</b>&quot;</p>'
    assert piece("a\u202eb\x00") == "a\\u202eb\\x00"
    assert path("nodes", "../../etc?x#y", q="a&b") == "/nodes/..%2F..%2Fetc%3Fx%23y?q=a%26b"


@pytest.fixture(scope="module")
def many() -> Reading:
    """Return a fleet of 260 nodes, one of them cordoned."""
    nodes = recorded_nodes(260)
    cordoned = next(one for one in nodes if one["metadata"]["name"] == "arm-01-2")
    cordoned["spec"] = {"unschedulable": True}
    return world_of(nodes)


@pytest.mark.parametrize(
    ("query", "names", "told"),
    [
        ("", ["arm-01-1", "x86-02-25"], "1 to 100 of 260 nodes"),
        ("?page=3", ["x86-02-9"], "201 to 260 of 260 nodes"),
        ("?page=99999999999", ["x86-02-9"], "201 to 260 of 260 nodes"),
        ("?page=" + "9" * 5000, ["x86-02-9"], "201 to 260 of 260 nodes"),
        ("?page=123456789x", ["arm-01-1"], "1 to 100 of 260 nodes"),
        ("?page=²", ["arm-01-1"], "1 to 100 of 260 nodes"),
        ("?page=-3", ["arm-01-1"], "1 to 100 of 260 nodes"),
        ("?state=cordoned", ["arm-01-2"], "1 to 1 of 1 nodes"),
        ("?q=edge-01-6&state=eligible", ["edge-01-60"], "1 to 7 of 7 nodes"),
        ("?q=nothing", [], "No nodes."),
    ],
)
async def test_a_long_list_is_cut_and_says_so(
    many: Reading, query: str, names: list[str], told: str
) -> None:
    async with shown(many) as session:
        _, page = await read(session, f"/nodes{query}")
    assert told in page
    assert page.count("<tr>") <= 101
    assert all(f'href="/nodes/{name}"' in page for name in names if "25" not in name)


async def test_the_repair_that_frees_most_is_the_one_of_all_workloads_judged_one_by_one() -> None:
    tpm = {"requiredCapabilities": ["hardware_tpm"]}
    boot = {"kernel": {"artifact": "payments-kernel"}}
    waiting = [workload(f"t{n}", boot=boot, placement=tpm) for n in range(5)]
    waiting += [workload(f"k{n}", boot={"kernel": {"artifact": "other"}}) for n in range(3)]
    found = world_of(recorded_nodes(8), waiting)
    for one in waiting:
        decided(found, one)
    ranking = await Repairs(found).rank()
    expected = rank_repairs(Explanation(_decision(found, one)) for one in waiting)
    assert [(one.demand, sorted(one.workloads), one.pairs, sorted(one.nodes))
            for one in ranking.repairs] == [
        (one.atom, sorted(one.workloads), one.pairs, sorted(one.nodes)) for one in expected
    ]  # fmt: skip
    assert (ranking.counted, ranking.waiting) == (8, 8)
    assert len(ranking.repairs[0].workloads) == 5


def _decision(reading: Reading, raw: Object) -> Any:
    parsed = read_workload(raw)
    assert not isinstance(parsed, tuple)
    intent = parse_intent(parsed)
    assert isinstance(intent, Intent)
    return decide(reading.fleet(), intent, now=reading.clock(), policy=reading.policy)


async def test_more_demands_than_are_judged_are_said_not_to_be() -> None:
    waiting = [
        workload(f"w{n}", resources={"vcpus": 1, "memory": f"{900 + n}Gi"})
        for n in range(MOST_ASKED + 6)
    ]
    found = world_of(recorded_nodes(4), waiting)
    for one in waiting:
        decided(found, one)
    async with shown(found) as session:
        _, page = await read(session, "/")
    assert f"counted over {MOST_ASKED} of {MOST_ASKED + 6} workloads without a node" in page


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8081", 200), ("127.0.0.1", 200), ("[::1]:8081", 200),
     ("evil.example", 403), ("evil.example:8081", 403), ("localhost.evil.example:80", 403)],
)  # fmt: skip
async def test_on_loopback_nobody_reads_by_a_name_that_is_not_ours(host: str, status: int) -> None:
    async with shown(small_world()) as session:
        assert (await read(session, "/", Host=host))[0] == status


async def test_beyond_loopback_nobody_reads_while_nobody_says_who_may() -> None:
    """No token at all is refused at once; with one, the API server would have to answer."""
    where = ListenSettings(address=ip_address("192.0.2.1"), port=1)
    async with shown(small_world(), where=where) as session:
        status, told = await read(session, "/")
        assert status == 401
        assert "arm-01" not in told
        for header in ("Bearer x", "Basic " + base64.b64encode(b"me:x").decode()):
            assert (await read(session, "/", Authorization=header))[0] == 503
        for header in ("Bearer ", "Basic %%%", "Digest x", f"Bearer {'x' * 5000}x" + "y" * 100):
            assert (await read(session, "/", Authorization=header))[0] in (401, 503)
