"""A real Prometheus scrapes a lab: every query of the dashboard and the alerts has an answer."""

import json
import math
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import yaml

from schedune_lab import lab as labs
from schedune_lab.lab import Lab
from schedune_lab.processes import end
from schedune_lab.state import State
from schedune_testing.prometheus import Prometheus, queries, scraping
from schedune_testing.recordings import ROOT, Object
from schedune_testing.waiting import until

pytestmark = [pytest.mark.cluster]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("seen-lab") / "state"
    yield labs.up(folder)
    labs.down(folder)


@pytest.fixture(scope="module")
def prometheus(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    jobs = {"schedune-operator": lab.ports.operator, "schedune-agent": lab.ports.agent}
    with scraping(tmp_path_factory.mktemp("prometheus"), jobs) as found:
        until(lambda: len(found.ask("up == 1")) == len(jobs))
        yield found


def kubectl(lab: Lab, *arguments: str, stdin: str | None = None) -> str:
    argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig), *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(name: str, new_name: str) -> Object:
    raw: Object = yaml.safe_load((ROOT / "examples" / name).read_text())
    raw["metadata"]["name"] = new_name
    return raw


def read(port: int, path: str) -> tuple[int, str]:
    try:
        address = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


@pytest.fixture(scope="module")
def busy(lab: Lab) -> list[str]:
    """Let some workloads be placed, and one have no node, after the first scrape."""
    names = [f"seen-{number}" for number in range(4)]
    manifests = [example("payments.yaml", name) for name in names]
    manifests.append(example("impossible.yaml", "nowhere"))
    kubectl(lab, "apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    kubectl(lab, "wait", "--for=condition=Stalled", "vmw/nowhere", "--timeout=60s")
    return names


@pytest.mark.usefixtures("prometheus", "busy")
def test_every_query_is_answered_with_numbers(lab: Lab, prometheus: Prometheus) -> None:
    asked = queries("1h")
    assert len(asked) > 30

    def unanswered() -> list[str]:
        return [place for place, query in asked.items() if not _numbers(prometheus.ask(query))]

    deadline = time.monotonic() + 90
    while unanswered() and time.monotonic() < deadline:
        _place_one_more(lab)
    assert unanswered() == []


def _numbers(found: list[Object]) -> list[float]:
    values = [float(one["value"][1]) for one in found]
    return [one for one in values if not math.isnan(one)]


def _place_one_more(lab: Lab) -> None:
    """Give rates something to grow by between two scrapes."""
    kubectl(lab, "delete", "vmw", "seen-0", "--ignore-not-found", "--timeout=60s")
    manifest = yaml.safe_dump(example("payments.yaml", "seen-0"))
    kubectl(lab, "apply", "-f", "-", stdin=manifest)


@pytest.mark.usefixtures("busy")
def test_what_is_counted_is_what_is_there(lab: Lab, prometheus: Prometheus) -> None:
    def total(query: str) -> float:
        return sum(_numbers(prometheus.ask(query)))

    nodes = json.loads(kubectl(lab, "get", "nodes", "-o", "json"))["items"]
    workloads = json.loads(kubectl(lab, "get", "vmw", "-A", "-o", "json"))["items"]
    until(lambda: total("schedune_nodes") == len(nodes))
    until(lambda: total("schedune_workloads") == len(workloads))
    until(lambda: total('schedune_workloads{state="stalled"}') == 1)
    against = 'schedune_unschedulable_workloads{code="REJECT_INSUFFICIENT_MEMORY"}'
    until(lambda: total(against) == 1)
    assert total("leader_election_master_status") == 1


def test_operator_and_agent_live_and_are_ready(lab: Lab) -> None:
    for port in (lab.ports.operator, lab.ports.agent):
        assert read(port, "/livez") == (200, "ok\n")
        until(lambda port=port: read(port, "/readyz")[0] == 200)  # type: ignore[misc]


@pytest.mark.usefixtures("busy")
def test_the_page_says_what_the_command_line_says(lab: Lab) -> None:
    """Word for word, but for the moment: both judge the same cluster by the same code."""
    status, page = read(lab.ports.fleet_page, "/workloads/default/nowhere")
    assert status == 200, page
    told = plugin(lab, "explain", "nowhere", "-n", "default").partition("\n\nWorkloads with")[0]
    shown = "".join(page.partition("Judged now")[2].partition(">")[2].split())
    for line in told.splitlines():
        words = "".join(line.split()).replace("&", "&amp;").replace("<", "&lt;")
        assert words.replace(">", "&gt;").replace("'", "&#x27;") in shown, line


def plugin(lab: Lab, *arguments: str) -> str:
    """Run kubectl schedune; a workload without a node is exit status 1."""
    environment = {
        "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
        "KUBECONFIG": str(lab.user_kubeconfig),
    }
    argv = [str(lab.kubectl), "schedune", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_kubectl_finds_the_plugin_and_the_plugin_calls_itself_so(lab: Lab) -> None:
    assert plugin(lab, "--help").startswith("Usage: kubectl schedune ")
    assert "arm-01" in plugin(lab, "nodes")


@pytest.mark.usefixtures("busy")
def test_what_was_reconciled_does_not_differ_from_what_was_applied(lab: Lab) -> None:
    manifest = yaml.safe_dump(example("impossible.yaml", "nowhere"))
    for more in ((), ("--server-side", "--field-manager=argocd-controller", "--force-conflicts")):
        assert kubectl(lab, "diff", *more, "-f", "-", stdin=manifest) == ""
    held = json.loads(kubectl(lab, "get", "vmw", "nowhere", "-o", "json"))
    assert "finalizers" not in held["metadata"]
    assert "labels" not in held["metadata"]


@pytest.mark.usefixtures("busy")
def test_kubectl_get_shows_what_matters_in_columns(lab: Lab) -> None:
    title, row = kubectl(lab, "get", "vmw", "nowhere").splitlines()
    assert title.split() == ["NAME", "READY", "REASON", "NODE", "AGE"]
    assert row.split()[:3] == ["nowhere", "False", "NoEligibleNode"]
    wide = kubectl(lab, "get", "vmw", "nowhere", "-o", "wide").splitlines()[0].split()
    assert {"ELIGIBLE", "NODES", "MODE", "MESSAGE"} <= set(wide)
    truths = kubectl(lab, "get", "ntruth").splitlines()[0].split()
    assert truths == ["NAME", "READY", "ARCH", "KVM", "FRESH", "VCPUS", "MEMORY", "AGE"]


def test_events_say_a_thing_once_and_count_it(lab: Lab) -> None:
    for value in ("a", "b", "c"):
        manifest = example("impossible.yaml", "flaps") | {}
        manifest["spec"]["runState"] = "Stopped" if value == "b" else "Running"
        kubectl(lab, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))
        wanted = "Stopped" if value == "b" else "NoEligibleNode"
        until(lambda wanted=wanted: _reason(lab, "flaps") == wanted)  # type: ignore[misc]

    def counted() -> list[int]:
        told = json.loads(kubectl(lab, "get", "events", "-o", "json"))["items"]
        return [
            one["count"] for one in told
            if (one["involvedObject"]["name"], one["reason"]) == ("flaps", "NoEligibleNode")
        ]  # fmt: skip

    until(lambda: counted() == [2])


def _reason(lab: Lab, name: str) -> str:
    held = json.loads(kubectl(lab, "get", "vmw", name, "-o", "json"))
    return str(held.get("status", {}).get("reason", ""))


def test_readiness_ends_with_the_api_server_s_answers_and_liveness_does_not(lab: Lab) -> None:
    """Last: it takes the API server away."""
    state = State(lab.state)
    state.stop_file("kube-apiserver").touch()
    found = state.alive("kube-apiserver")
    assert found is not None
    end(found)
    until(lambda: read(lab.ports.operator, "/readyz")[0] == 503, 60)
    assert "[-] heartbeats: last looked at" in read(lab.ports.operator, "/readyz")[1]
    assert read(lab.ports.operator, "/livez") == (200, "ok\n")
    until(lambda: read(lab.ports.agent, "/readyz")[0] == 503, 60)
    assert read(lab.ports.agent, "/livez") == (200, "ok\n")
    state.stop_file("kube-apiserver").unlink()
    for port in (lab.ports.operator, lab.ports.agent):
        until(lambda port=port: read(port, "/readyz")[0] == 200, 90)  # type: ignore[misc]
