"""An agent killed between any two requests to a real Firecracker: one VM stays, and runs.

That KVM runs guests is only said here: Firecracker starts the VM where it does not too,
and an agent that is to be killed asks no more of it.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import BackendFact, Capability, CapabilityState, NodeTruthStatus
from schedune.api.vmplacement import PlacementState
from schedune.api.vmworkload import LaunchMode
from schedune.launch.traits import CGROUPS, TUN
from schedune_agent.record import LaunchRecord
from schedune_agent.vmm.firecracker.requests import api_socket
from schedune_agent.vmm.http_socket import Answer, HttpSocket
from schedune_testing.bare_vms import LANDLOCK_ABI
from schedune_testing.given import FIRECRACKER, given_binary
from schedune_testing.open_kvm import with_open_kvm

S = PlacementState
FEWEST_MOMENTS = 30
"""Two for each of nine requests, and those of the records; fewer tested nothing."""


@pytest.fixture
def facts(machine: Any) -> NodeTruthStatus:
    """What this machine would say of itself if its KVM ran guests and it had the given binary."""
    said = machine.facts.model_copy(deep=True)
    names = {"kvm_vm_launch", "firecracker_binary_present", TUN, CGROUPS}
    given = BackendFact(
        name="Firecracker", path=str(given_binary(FIRECRACKER)), version="1.16.1",
        version_line="Firecracker v1.16.1", architecture=said.cpu.architecture,
        accelerations=["KVM"],
    )  # fmt: skip
    kept = [one for one in said.capabilities if one.name not in names]
    able = [
        Capability(
            name=name, state=CapabilityState.SUPPORTED, reason_code="CAP_KVM_SUPPORTED",
            message="said by a test", observed_time=said.observed_time,
        )
        for name in sorted(names)
    ]  # fmt: skip
    others = [one for one in said.backends if one.name != given.name]
    return said.model_copy(update={"capabilities": [*kept, *able], "backends": [*others, given]})


@pytest.fixture
def world(
    new_world: Callable[..., Any], facts: NodeTruthStatus, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Make placements whose agents may also be killed before and after every request."""
    asks = HttpSocket.request

    def make(**options: object) -> Any:
        one = new_world(
            backend="Firecracker", facts=facts, runtimeClass="MicroVM", acceleration="KVM",
            kernel={"artifact": "vmlinux"}, **options,
        )  # fmt: skip
        one._machine = with_open_kvm(one._machine)

        async def ask(self: HttpSocket, *said: str, timeout_s: float) -> Answer:
            one.fuse.reach()
            answer = await asks(self, *said, timeout_s=timeout_s)
            one.fuse.reach()
            return answer

        monkeypatch.setattr(HttpSocket, "request", ask)
        return one

    return make


def is_running(record: LaunchRecord) -> bool:
    return record.state in (S.RUNNING, S.FAILED)


@pytest.mark.parametrize("loses_state", [False, True], ids=["state-kept", "state-lost"])
async def test_a_launch_with_an_agent_killed_anywhere_leaves_one_vm_and_it_runs(
    world: Callable[..., Any], *, loses_state: bool
) -> None:
    for moment in itertools.count(1):
        one = world(loses_state=loses_state)
        was_killed = await one.agent(is_running, kill_at=moment)
        await one.agent(is_running)
        record = one.record
        assert record.state is S.RUNNING, (moment, record.trace)
        assert one.vms() == [record.process.pid]
        assert record.incarnation == 1
        one.delete()
        await one.agent(lambda found: found.ended is not None)
        assert (one.vms(), one.remains()) == ([], [])
        if not was_killed:
            break
    assert moment > FEWEST_MOMENTS


async def test_an_end_with_an_agent_killed_anywhere_leaves_no_vm(world: Callable[..., Any]) -> None:
    one = world()
    await one.agent(is_running)
    one.delete()
    for moment in itertools.count(1):
        if not await one.agent(lambda found: found.ended is not None, kill_at=moment):
            break
    ended = one.record
    assert [entry.to for entry in ended.trace].count(S.TERMINATED) == 1, ended.trace
    assert (one.vms(), one.remains()) == ([], [])


@pytest.mark.skipif(LANDLOCK_ABI < 1, reason="not given: a kernel with Landlock")
async def test_one_that_an_agent_launched_opens_no_file_that_is_not_its_vms(
    world: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "of-another").write_bytes(bytes(2**20))
    (tmp_path / "of-another").chmod(0o644)
    disk = {"name": "data", "artifact": "data", "format": "Raw", "access": "ReadOnly"}
    one = world(disks=[disk])
    await one.agent(is_running)
    assert one.record.state is S.RUNNING, one.record.trace
    elsewhere = {"drive_id": "disk0", "path_on_host": str(tmp_path / "of-another")}
    request = ("PATCH", "/drives/disk0", json.dumps(elsewhere))
    api = HttpSocket(api_socket(one.paths), one.record.process.pid)
    answer = await api.request(*request, timeout_s=5)
    assert not answer.is_done
    assert "Permission denied" in answer.complaint()


async def test_what_would_be_run_is_shown_whole_and_nothing_runs(world: Callable[..., Any]) -> None:
    one = world()
    spec = one.placement.spec.model_copy(update={"mode": LaunchMode.DRY_RUN})
    one.placement = one.placement.model_copy(update={"spec": spec})
    await one.agent(lambda found: found.state is S.VALIDATED)
    shown = one.placement.status.prepared
    assert shown.argv[0].startswith("schedune-vm/Firecracker/")
    assert shown.requests[-1] == 'PUT /actions {"action_type": "InstanceStart"}'
    assert one.vms() == []
