"""What a lab remembers, so that it can be found and taken down by whoever comes later."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from schedune_lab import lab as labs
from schedune_lab import lock
from schedune_lab.cluster import manifests
from schedune_lab.ending import take_down
from schedune_lab.nodes import keeper_rights, lab_nodes
from schedune_lab.objects import Added, planned
from schedune_lab.processes import end_together, identify, running
from schedune_lab.state import Facts, GivenCluster, KeptNode, Part, Ports, State, Token


@pytest.mark.parametrize(
    ("manifest", "path"),
    [
        (("v1", "Node", "n", None), "/api/v1/nodes/n"),
        (("v1", "Pod", "p", "s"), "/api/v1/namespaces/s/pods/p"),
        (
            ("scheduling.k8s.io/v1", "PriorityClass", "high", None),
            "/apis/scheduling.k8s.io/v1/priorityclasses/high",
        ),
        (
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "p", None),
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p",
        ),
    ],
)
def test_an_object_is_found_where_the_api_server_keeps_it(
    manifest: tuple[str, str, str, str | None], path: str
) -> None:
    one = Added(*manifest)
    assert one.resource.path(one.namespace, one.name) == path


def test_nothing_is_installed_twice() -> None:
    wanted = [planned(one) for one in [*manifests(), *keeper_rights(["a"])]]
    assert len(set(wanted)) == len(wanted)


def test_the_right_to_speak_for_nodes_names_them_and_no_others() -> None:
    names = [node.name for node in lab_nodes()]
    rules = [rule for one in keeper_rights(names) for rule in one.get("rules", ())]
    assert [rule["resourceNames"] for rule in rules] == [names, names]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"patch"}


def test_everything_that_was_written_is_read_again(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert (state.facts(), state.added(), state.nodes(), state.tokens()) == (None, [], [], [])
    facts = Facts(
        "id", "/k", "/r", ["python"], Ports(1, 2, 3), given=GivenCluster("/f", "work", "uid")
    )
    added = [Added("v1", "Node", "n", None, "u"), Added("v1", "Pod", "p", "s")]
    state.write_facts(facts)
    state.write_added(added)
    state.write_nodes([KeptNode("n", "u")])
    state.write_tokens([Token("/t", "account")])
    assert state.facts() == facts
    assert state.added() == added
    assert state.nodes() == [KeptNode("n", "u")]
    assert state.tokens() == [Token("/t", "account")]


def test_a_lab_whose_set_up_never_ended_is_not_found(tmp_path: Path) -> None:
    state, own = State(tmp_path), identify(labs.os.getpid())
    assert own
    state.write_supervisor(own)
    state.write_facts(Facts("id", "/k", "/r", ["python"], Ports(1, 2, 3)))
    assert labs.find(tmp_path) is None
    state.write_facts(Facts("id", "/k", "/r", ["python"], Ports(1, 2, 3), complete=True))
    assert labs.find(tmp_path) is not None


def test_down_ends_a_part_that_was_started_and_not_yet_written_down(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]
    similar = subprocess.Popen([*argv, "but-another"])
    part = subprocess.Popen(argv)
    try:
        state = State(tmp_path / "lab")
        state.folder.mkdir()
        state.write_facts(
            Facts("id", "/k", str(tmp_path / "runs"), ["no-such-supervisor"], Ports(1, 2, 3))
        )
        state.write_parts([Part("operator", argv)])
        _until_running(argv)
        take_down(state.folder)
        assert part.wait(timeout=5) != 0
        assert similar.poll() is None
        assert list(state.folder.iterdir()) == []
    finally:
        for process in (part, similar):
            process.kill()
            process.wait()


def _until_running(argv: list[str]) -> None:
    deadline = time.monotonic() + 10
    while not running(argv):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_end_together_and_those_that_are_gone_are_no_trouble() -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    argv = [sys.executable, "-c", f"{stubborn}; time.sleep(60)"]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(3)]
    for one in children:
        assert one.stdout
        assert one.stdout.readline()
        one.stdout.close()
    found = [identity for one in children if (identity := identify(one.pid))]
    children[0].kill()
    children[0].wait()
    started = time.monotonic()
    assert end_together(found, grace_s=0.5) == []
    assert 0.5 <= time.monotonic() - started < 0.95
    for one in children:
        one.wait()
    assert end_together([]) == []


def test_who_waited_for_a_lab_that_went_away_holds_the_directory_that_is_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "lab"
    entered: list[bool] = []

    def second() -> None:
        with lock.hold(folder):
            entered.append(folder.is_dir())

    thread = threading.Thread(target=second)
    with lock.hold(folder):
        thread.start()
        time.sleep(0.2)
        assert entered == []
    thread.join(timeout=5)
    assert entered == [True]
    assert not folder.exists()
