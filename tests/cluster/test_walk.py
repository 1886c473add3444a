"""The first whole walk on a real control plane, with a real VM, and with everything killed once.

One lab for all: tests come in the order of a VM's life and each leaves the lab usable.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_lab import lab as labs
from schedune_lab.lab import Lab
from schedune_lab.processes import is_alive, start_time
from schedune_lab.state import State
from schedune_testing.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.vm]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab") / "state"
    found = labs.up(folder)
    yield found
    labs.down(folder)
    assert not folder.exists()


def kubectl(lab: Lab, *arguments: str, stdin: str | None = None) -> str:
    argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig), *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def get(lab: Lab, kind: str, name: str) -> Object:
    text = kubectl(lab, "get", kind, name, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text)) if text.strip() else {}


def apply(lab: Lab, manifest: Object) -> None:
    kubectl(lab, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))


def small_vm(name: str, command_line: str = "console=ttyS0", **spec: object) -> Object:
    manifest: Object = yaml.safe_load((EXAMPLES / "hello.yaml").read_text())
    manifest["metadata"]["name"] = name
    manifest["spec"]["boot"]["commandLine"] = command_line
    manifest["spec"] |= spec
    return manifest


def reason(lab: Lab, name: str) -> str:
    return str(get(lab, "vmw", name).get("status", {}).get("reason", ""))


def pid(lab: Lab, name: str) -> int:
    return int(get(lab, "vmp", name).get("status", {}).get("vmm", {}).get("pid", 0))


def kill(lab: Lab, part: str) -> int:
    """SIGKILL a part and return once the supervisor runs a new one in its place."""
    state = State(lab.state)
    before = state.identity(part)
    assert before is not None
    os.kill(before[0].pid, signal.SIGKILL)

    def is_replaced() -> bool:
        now = state.identity(part)
        return now is not None and now[0] != before[0] and is_alive(now[0])

    until(is_replaced)
    return before[0].pid


def test_a_vm_becomes_ready_by_the_answer_of_its_guest(lab: Lab) -> None:
    apply(lab, small_vm("walk"))
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/walk", "--timeout=120s")
    placement = get(lab, "vmp", "walk")
    assert placement["status"]["readiness"]["rung"] == "R4"
    assert placement["status"]["readiness"]["guestBootID"]
    assert placement["metadata"]["finalizers"] == ["schedune.io/vm"]
    assert Path(f"/proc/{pid(lab, 'walk')}").is_dir()


@pytest.mark.parametrize("part", ["operator", "agent-this-machine", "kube-apiserver", "etcd"])
def test_the_vm_outlives_the_death_of(lab: Lab, part: str) -> None:
    before = pid(lab, "walk")
    kill(lab, part)
    until(lambda: _answers(lab))
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/walk", "--timeout=90s")
    assert pid(lab, "walk") == before
    assert Path(f"/proc/{before}").is_dir()


def _answers(lab: Lab) -> bool:
    argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig), "get", "vmw"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_an_agent_restart_stands_in_the_trace_as_an_adoption(lab: Lab) -> None:
    """The agent could not write while the API server and etcd were down: it writes later."""

    def told() -> list[str]:
        return [entry["code"] for entry in get(lab, "vmp", "walk")["status"]["trace"]]

    until(lambda: "RECOVERY_CONFIRMED" in told())


def test_at_rest_nothing_is_written(lab: Lab) -> None:
    """After the outages above everything settles first: heartbeats come again."""

    def rests() -> bool:
        before = [_version(lab, kind) for kind in ("vmw", "vmp")]
        time.sleep(5)
        return [_version(lab, kind) for kind in ("vmw", "vmp")] == before

    until(rests, 40)
    assert reason(lab, "walk") == "Running"


def _version(lab: Lab, kind: str) -> str:
    return str(get(lab, kind, "walk")["metadata"]["resourceVersion"])


def test_a_name_used_again_waits_for_the_old_vm_and_says_so(lab: Lab) -> None:
    apply(
        lab,
        small_vm("again", "console=ttyS0 schedune.test=ignore-button", terminationGraceSeconds=20),
    )
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/again", "--timeout=120s")
    old = pid(lab, "again")
    kubectl(lab, "delete", "vmw", "again", "--wait=false")
    until(lambda: not get(lab, "vmw", "again"))
    apply(lab, small_vm("again"))
    until(lambda: reason(lab, "again") == "WaitingForPreviousVM", 20)
    assert f"pid {old} " in " ".join(get(lab, "vmw", "again")["status"]["why"])
    assert len(_vmms(lab)) == len({"walk", "again"})
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/again", "--timeout=120s")
    assert pid(lab, "again") != old
    assert start_time(old) is None


def _vmms(lab: Lab) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"qemu-system" in argv and str(lab.state).encode() in argv:
            found.append(folder.name)
    return found


def test_a_stopped_vm_is_ready_as_stopped_and_runs_again_when_asked(lab: Lab) -> None:
    apply(lab, small_vm("again", runState="Stopped"))
    until(lambda: reason(lab, "again") == "Stopped")
    assert get(lab, "vmp", "again") == {}
    history = get(lab, "vmw", "again")["status"]["history"]
    assert history[-1]["exitReason"] == "GuestPoweredOff"


def test_a_disk_stays_when_its_placement_is_deleted_and_goes_with_its_workload(lab: Lab) -> None:
    source = {"empty": {"size": "1Mi"}}
    goes = {"name": "goes", "source": source, "format": "Raw", "access": "Persistent"}
    stays = {**goes, "name": "stays", "format": "Qcow2"}
    apply(lab, small_vm("kept", disks=[{**goes, "retention": "Delete"}, stays]))
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/kept", "--timeout=120s")
    homes = get(lab, "vmw", "kept")["status"]["persistentDisks"]
    assert [(one["disk"], one["nodeName"]) for one in homes] == [
        ("goes", "this-machine"), ("stays", "this-machine"),
    ]  # fmt: skip
    assert _disks(lab) == ["goes.raw", "stays.qcow2"]
    first = get(lab, "vmp", "kept")["metadata"]["uid"]
    kubectl(lab, "delete", "vmp", "kept", "--timeout=90s")
    until(lambda: get(lab, "vmp", "kept").get("metadata", {}).get("uid", first) != first)
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/kept", "--timeout=120s")
    assert _disks(lab) == ["goes.raw", "stays.qcow2"]
    kubectl(lab, "delete", "vmw", "kept", "--timeout=90s")
    until(lambda: not get(lab, "vmp", "kept"), 90)
    assert _disks(lab) == ["stays.qcow2"]


def _disks(lab: Lab) -> list[str]:
    namespace = json.loads(kubectl(lab, "get", "namespace", "default", "-o", "json"))
    found = lab.state.glob(f"agents/*/disks/{namespace['metadata']['uid']}/kept/*")
    return sorted(path.name for path in found)


def test_a_new_restart_token_ends_the_vm_in_order_and_starts_another(lab: Lab) -> None:
    apply(lab, small_vm("anew", restartToken="1"))
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/anew", "--timeout=120s")
    old = pid(lab, "anew")
    apply(lab, small_vm("anew", restartToken="2"))
    until(lambda: pid(lab, "anew") not in (0, old), 60)
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/anew", "--timeout=120s")
    assert start_time(old) is None
    (attempt,) = get(lab, "vmw", "anew")["status"]["history"]
    assert attempt["exitReason"] == "GuestPoweredOff"
    spec = get(lab, "vmp", "anew")["spec"]
    assert (spec["attempt"], spec["workload"]["restartToken"]) == (2, "2")


def condition(lab: Lab, name: str, kind: str) -> Object:
    conditions = get(lab, "vmw", name)["status"]["conditions"]
    return next(one for one in conditions if one["type"] == kind)


def test_recreate_places_a_changed_vm_anew_once_some_node_can_run_it(lab: Lab) -> None:
    old, changed = pid(lab, "anew"), {"restartToken": "2", "updateStrategy": "Recreate"}
    apply(lab, small_vm("anew", **changed, resources={"vcpus": 1, "memory": "900Gi"}))
    until(lambda: condition(lab, "anew", "UpToDate")["reason"] == "RecreateWaits")
    assert "memory; it runs on as it was: 0/" in condition(lab, "anew", "UpToDate")["message"]
    assert (reason(lab, "anew"), pid(lab, "anew")) == ("Running", old)
    apply(lab, small_vm("anew", **changed, resources={"vcpus": 1, "memory": "160Mi"}))
    until(lambda: pid(lab, "anew") not in (0, old), 60)
    kubectl(lab, "wait", "--for=condition=Ready", "vmw/anew", "--timeout=120s")
    assert start_time(old) is None
    assert get(lab, "vmp", "anew")["spec"]["launch"]["memory"] == "160Mi"
    assert condition(lab, "anew", "UpToDate")["status"] == "True"
    kubectl(lab, "delete", "vmw", "anew", "--timeout=90s")
    # Until its VM has ended its vCPU is held, and the next one is to be short of memory only.
    until(lambda: not get(lab, "vmp", "anew"), 90)


def test_a_field_that_has_no_function_yet_is_refused_not_ignored(lab: Lab) -> None:
    apply(lab, small_vm("later", resources={"vcpus": 1, "memory": "128Mi", "hugepages": "2Mi"}))
    kubectl(lab, "wait", "--for=condition=Stalled", "vmw/later", "--timeout=20s")
    ready = next(
        c for c in get(lab, "vmw", "later")["status"]["conditions"] if c["type"] == "Ready"
    )
    assert ready["reason"] == "FieldNotSupportedYet"
    assert "spec.resources.hugepages" in ready["message"]


def test_an_unplaceable_vm_stalls_after_its_deadline_and_names_every_cause(lab: Lab) -> None:
    resources = {"vcpus": 1, "memory": "900Gi"}
    apply(lab, small_vm("huge", resources=resources, schedulingDeadlineSeconds=3))
    until(lambda: reason(lab, "huge") == "NoEligibleNode")
    kubectl(lab, "wait", "--for=condition=Stalled", "vmw/huge", "--timeout=20s")
    nearest = get(lab, "vmw", "huge")["status"]["evaluation"]["nearest"]
    assert [one["code"] for one in nearest[0]["objections"]] == ["REJECT_INSUFFICIENT_MEMORY"]
    assert condition(lab, "huge", "Launched")["reason"] == "NotLaunched"
    assert all(one["message"] for one in get(lab, "vmw", "huge")["status"]["conditions"])


def test_what_stood_in_the_way_is_told_no_more_once_a_vm_is_placed(lab: Lab) -> None:
    apply(lab, small_vm("huge"))
    until(lambda: reason(lab, "huge") == "Running", 60)
    status = get(lab, "vmw", "huge")["status"]
    only_where_no_node_is_left = {"cores", "nearest", "relaxations", "repairs"}
    assert not only_where_no_node_is_left & status["evaluation"].keys()
    rejected = [node for one in status["evaluation"]["codes"] for node in one["sampleNodes"]]
    assert status["nodeName"] not in rejected
    assert not [line for line in status["why"] if line.startswith(f"{status['nodeName']} ")]


def test_a_guest_that_panics_under_never_is_a_failure_with_its_last_words(lab: Lab) -> None:
    kubectl(lab, "delete", "vmw", "walk", "huge", "later", "again", "--timeout=90s")
    apply(lab, small_vm("panic", "console=ttyS0 schedune.test=panic", restartPolicy="Never"))
    until(
        lambda: (
            get(lab, "vmw", "panic").get("status", {}).get("reason") in ("Failed", "BackingOff")
        ),
        90,
    )
    last = get(lab, "vmp", "panic").get("status", {}).get("lastExit", {})
    assert last.get("reason") == "GuestPanicked"
    assert any("?" in line or "+0x" in line for line in last["consoleTail"])


def test_delete_leaves_nothing(lab: Lab) -> None:
    kubectl(lab, "delete", "vmw", "--all", "--timeout=90s")
    until(lambda: not json.loads(kubectl(lab, "get", "vmp", "-o", "json"))["items"])
    assert _vmms(lab) == []
    # The agent forgets its record when it has seen that the object is gone, not before.
    until(lambda: not list(lab.state.glob("agents/*/placements/*")))
