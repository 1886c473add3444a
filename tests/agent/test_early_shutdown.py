"""The host goes down before its agent works: its guests are ended by their records alone.

Nobody answers as the API server here. Stand-ins for VMMs hear no power button: each has the
whole grace of its record.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune_agent.early_shutdown import EarlyShutdown
from schedune_agent.guests_end import end_guests
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.node import Node
from schedune_agent.record import LaunchRecord
from schedune_agent.settings import agent_lock
from schedune_testing.agent_processes import (
    DEAF,
    WORKS,
    StartAgent,
    agent_processes,
    put_token,
    until_told,
)
from schedune_testing.looking import UID, record, recorded

S = PlacementState
StartMarked = Callable[..., "Popen[bytes]"]
PATIENCE_S = 30.0


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    with agent_processes(tmp_path) as start:
        yield start


@pytest.fixture
async def early(node: Node, shutdown: HostShutdown) -> AsyncIterator[EarlyShutdown]:
    """What an agent has at work that knows no placements yet."""
    async with EarlyShutdown(node.settings, now) as found:
        yield found


def recorded_vm(node: Node, vm: "Popen[bytes]", uid: str = UID, grace: int = 0) -> LaunchRecord:
    """Leave the record of a VM that an earlier agent started."""
    changes = {"placement_uid": uid, "name": uid, "grace_seconds": grace}
    held = record(S.RUNNING, recorded(vm)).model_copy(update=changes)
    node.records.save(held)
    return held


async def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("has_token", "waits_for"), [(False, WORKS), (True, DEAF)],
    ids=["no-token", "no-server"],
)  # fmt: skip
async def test_an_agent_that_waits_for_the_api_server_ends_the_guests_of_its_records(
    node: Node, shutdown: HostShutdown, start_agent: StartAgent, start_marked: StartMarked,
    tmp_path: Path, *, has_token: bool, waits_for: str,
) -> None:  # fmt: skip
    """One of them was started right before its agent was killed: it goes by its marker."""
    if has_token:
        put_token(tmp_path)
    (node.settings.state_directory / "cluster").write_text(node.settings.cluster_uid)
    launched = str(uuid.uuid4())
    vms = [start_marked(), start_marked(launched)]
    recorded_vm(node, vms[0])
    names = {"placement_uid": launched, "name": launched, "grace_seconds": 0}
    node.records.save(record(S.LAUNCHING).model_copy(update=names))
    agent, log = start_agent("agent")
    until_told(log, waits_for)
    assert [vm.poll() for vm in vms] == [None, None]
    assert await end_guests(node.settings, PATIENCE_S, now) == []
    assert (shutdown.is_done, agent.poll()) == (True, None)
    assert all(vm.poll() is not None for vm in vms)
    ends = [one.guest_end for one in node.records.load_all().values()]
    assert [end and end.reason for end in ends] == ["HostShutdown"] * 2


async def test_it_leaves_what_is_not_proved_and_does_not_say_that_no_guest_runs(
    node: Node, shutdown: HostShutdown, early: EarlyShutdown, start_marked: StartMarked
) -> None:
    doubtful = start_marked(program="sleep")
    node.records.save(record(S.LAUNCHING))
    other = str(uuid.uuid4())
    vm = start_marked(other)
    recorded_vm(node, vm, other)
    shutdown.order()
    await until(lambda: vm.poll() is not None)
    await asyncio.sleep(1.5)
    assert (doubtful.poll(), shutdown.is_done) == (None, False)
    doubtful.kill()
    doubtful.wait()
    await until(lambda: shutdown.is_done)


async def test_it_goes_through_with_an_end_that_was_begun_before_workers_begin(
    node: Node, shutdown: HostShutdown, early: EarlyShutdown, start_marked: StartMarked
) -> None:
    vm = start_marked()
    recorded_vm(node, vm, grace=2)
    shutdown.order()
    await until(lambda: node.records.load_all()[UID].guest_end is not None)
    assert vm.poll() is None
    await early.give_way()
    assert (vm.poll() is not None, shutdown.is_done) == (True, True)


async def test_it_ends_nothing_once_workers_have_begun(
    node: Node, shutdown: HostShutdown, early: EarlyShutdown, start_marked: StartMarked
) -> None:
    vm = start_marked()
    recorded_vm(node, vm)
    await early.give_way()
    shutdown.order()
    await asyncio.sleep(2.0)
    assert (vm.poll(), shutdown.is_done) == (None, False)


async def test_it_ends_nothing_without_an_order(
    node: Node, shutdown: HostShutdown, early: EarlyShutdown, start_marked: StartMarked
) -> None:
    vm = start_marked()
    held = recorded_vm(node, vm)
    HostShutdown(node.settings.run_directory, "the-boot-before").order()
    await asyncio.sleep(2.0)
    assert (vm.poll(), node.records.load_all()[UID]) == (None, held)


@pytest.mark.parametrize("is_kept", [True, False])
async def test_whose_marker_is_looked_for_is_what_an_agent_kept_where_it_is_not_told(
    node: Node, shutdown: HostShutdown, start_marked: StartMarked, *, is_kept: bool
) -> None:
    agent_lock(node.settings).touch()
    vm = start_marked()
    node.records.save(record(S.LAUNCHING).model_copy(update={"grace_seconds": 0}))
    if is_kept:
        (node.settings.state_directory / "cluster").write_text(node.settings.cluster_uid)
    untold = node.settings.model_copy(update={"cluster_uid": ""})
    told = await end_guests(untold, PATIENCE_S, now)
    if is_kept:
        assert (told, vm.poll() is not None) == ([], True)
    else:
        assert (len(told), vm.poll()) == (1, None)
        assert "the UID of our cluster is not known" in told[0]


async def test_the_vm_of_a_newer_agents_record_is_left_and_told(
    node: Node, shutdown: HostShutdown, start_marked: StartMarked
) -> None:
    vm = start_marked()
    path = node.settings.state_directory / "placements" / UID / "record.json"
    path.parent.mkdir(parents=True)
    names: dict[str, Any] = {"workloadUID": "w", "namespace": "default", "name": "vm"}
    path.write_text(json.dumps({"recordFormat": 7, "placementUID": UID, **names}))
    agent_lock(node.settings).touch()
    (told,) = await end_guests(node.settings, PATIENCE_S, now)
    assert "default/vm: a newer agent's record" in told
    assert vm.poll() is None
