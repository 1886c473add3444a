"""The order that the host goes down, as systemd gives it and as the command does."""

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from schedune.api.vmplacement import PlacementState
from schedune_agent.guests_end import end_guests
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.node import Node
from schedune_agent.record import LaunchRecord
from schedune_agent.settings import agent_lock
from schedune_agent.system.locks import hold_lock

UNIT = Path(__file__).resolve().parents[2] / "manifests" / "schedune-vms.service"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def unit(node: Node) -> Callable[[str], "subprocess.Popen[bytes]"]:
    """Run a line of the unit that ships, in the folders of the test."""
    told = UNIT.read_text()
    for path, own in (
        ("/run/schedune", node.settings.run_directory),
        ("/var/lib/schedune", node.settings.state_directory),
    ):
        told = told.replace(path, str(own))

    def run(name: str) -> "subprocess.Popen[bytes]":
        line = re.search(rf"^{name}=(.+)$", told, re.MULTILINE)
        assert line is not None
        return subprocess.Popen(["/bin/sh", "-c", line[1]])

    return run


def test_the_unit_orders_the_end_of_guests_and_waits_for_the_agents_word(
    node: Node, shutdown: HostShutdown, unit: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    with ExitStack() as stack:
        assert hold_lock(agent_lock(node.settings), stack)
        with unit("ExecStop") as stopping:
            deadline = time.monotonic() + 20
            while not shutdown.is_ordered:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert stopping.poll() is None
            shutdown.tell_done()
            assert stopping.wait(20) == 0
    with unit("ExecStart") as starting:
        assert starting.wait(20) == 0
    assert (shutdown.is_ordered, shutdown.is_done) == (False, False)


def test_the_unit_does_not_wait_where_no_agent_runs(
    node: Node, shutdown: HostShutdown, unit: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    agent_lock(node.settings).touch()
    with unit("ExecStop") as stopping:
        assert stopping.wait(20) == 0
    assert not shutdown.is_ordered


def test_the_unit_does_not_wait_where_everything_of_ours_was_removed(
    node: Node, unit: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    assert not node.settings.state_directory.exists()
    with unit("ExecStop") as stopping:
        assert stopping.wait(20) == 0
    assert not node.settings.state_directory.exists()


async def test_an_agent_that_does_not_answer_is_told_of_when_the_time_is_over(
    node: Node, shutdown: HostShutdown
) -> None:
    with ExitStack() as stack:
        assert hold_lock(agent_lock(node.settings), stack)
        (told,) = await end_guests(node.settings, 0.5, now)
    assert "has not told within 0.5 s" in told
    assert shutdown.is_ordered


async def test_a_host_without_an_agent_ever_goes_down_at_once(node: Node) -> None:
    assert await end_guests(node.settings, 0.0, now) == []


async def test_of_the_vms_without_a_recorded_process_only_the_proved_one_is_ended(
    node: Node, shutdown: HostShutdown, start_marked: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    agent_lock(node.settings).touch()
    proved, doubtful, twins = (str(uuid.uuid4()) for _ in range(3))
    for uid in (proved, doubtful, twins):
        names = {"placement_uid": uid, "workload_uid": "w", "namespace": "default", "name": uid}
        node.records.save(
            LaunchRecord(**names, state=PlacementState.LAUNCHING, argv=["x"], grace_seconds=0)
        )
    vm, strange = start_marked(proved), start_marked(doubtful, program="sleep")
    both = [start_marked(twins), start_marked(twins)]
    told = await end_guests(node.settings, 30.0, now)
    assert sorted(one.split(":")[0] for one in told) == sorted(
        f"default/{uid}" for uid in (doubtful, twins)
    )
    assert any(f"pid {strange.pid}: it executes sleep" in one for one in told)
    assert vm.wait(5) is not None
    assert [one.poll() for one in (strange, *both)] == [None, None, None]
    assert not shutdown.is_done


def test_the_command_orders_and_takes_back(
    node: Node, shutdown: HostShutdown, tmp_path: Path
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(yaml.safe_dump(node.settings.model_dump(mode="json", by_alias=True)))
    command = [sys.executable, "-m", "schedune_agent", "host-shutdown", "--settings", str(file)]
    subprocess.run(command, check=True, timeout=60)
    assert shutdown.is_ordered
    subprocess.run([*command, "--cancel"], check=True, timeout=60)
    assert not shutdown.is_ordered


def test_an_order_of_another_boot_is_none(node: Node, shutdown: HostShutdown) -> None:
    HostShutdown(node.settings.run_directory, "the-boot-before").order()
    assert not shutdown.is_ordered
