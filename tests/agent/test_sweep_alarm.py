"""Sweeps that fail are an alarm of the node, not only a line in the log of its agent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import HealthState, NodeTruthStatus
from schedune_agent.facts import Probes, digest_facts
from schedune_agent.identity import NodeIdentity
from schedune_agent.node import Node
from schedune_agent.orphans import Orphans
from schedune_agent.placements import PlacementRunner
from schedune_agent.settings import AgentSettings
from schedune_agent.sweep_alarm import SweepAlarm
from schedune_agent.system import processes
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials

CODE = "ALARM_ORPHANS_NOT_SWEPT"


async def nothing(_uid: str) -> None:
    """Withdraw nothing."""


@pytest.fixture
def runner(node: Node) -> PlacementRunner:
    client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
    return PlacementRunner(client, node, on_live_change=lambda: None, withdraw=nothing)


@pytest.fixture
def new_probes(tmp_path: Path, clock: Any) -> Callable[..., Probes]:
    """Make probes that look at nothing: all that they know of the node's health is told them."""

    def make(levels: Callable[[], Any]) -> Probes:
        settings = AgentSettings.model_validate({
            "kubernetes": {"server": "https://127.0.0.1", "caFile": "/c", "tokenFile": "/t"},
            "clusterUID": "cluster-of-this-test",
            "stateDirectory": str(tmp_path),
        })  # fmt: skip
        identity = NodeIdentity("node", "node-uid", "machine", "boot")
        probes = Probes(settings, identity, "Cgroup", clock, levels=levels)
        probes._first = probes._families = []
        return probes

    return make


def told(facts: NodeTruthStatus) -> list[str]:
    assert facts.health is not None
    assert all(one.severity == "Warning" for one in facts.health.alarms)
    assert (facts.health.state is HealthState.WARNING) is bool(facts.health.alarms)
    return [one.message for one in facts.health.alarms if one.code == CODE]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (processes.unseen(4711), "its command line may not be seen: /proc/PID"),
        (PermissionError(13, "Permission denied", "/run/schedune"), "denied: /run/schedune"),
        (ValueError("a process of somebody else's"), "ValueError, see the agent's log"),
        (OSError("no number"), "OSError"),
    ],
    ids=["hidden", "folder", "any error", "no errno"],
)
async def test_sweeps_that_fail_are_an_alarm_with_its_cause_until_one_goes_through(
    runner: PlacementRunner, new_probes: Callable[..., Probes], clock: Any,
    monkeypatch: pytest.MonkeyPatch, error: Exception, cause: str,
) -> None:  # fmt: skip
    probes = new_probes(runner.levels)

    def fail(*_arguments: object) -> None:
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(Orphans, "sweep", fail)
        runner._sweep()
        assert told(await probes.take_facts()) == [], "one failure is no alarm yet"
        clock.pass_seconds(30)
        runner._sweep()
        (message,) = told(await probes.take_facts())
        assert message.endswith(cause)
    runner._sweep()
    clock.pass_seconds(30)
    assert told(await probes.take_facts()) == []


async def test_a_node_whose_processes_are_hidden_is_told_of_without_a_new_fact_at_each_sweep(
    new_probes: Callable[..., Probes], clock: Any
) -> None:
    """Which process was met first is another one at each sweep."""
    alarm = SweepAlarm()
    probes, digests = new_probes(alarm.levels), set[str]()
    for pid in (17, 4711, 99):
        alarm.note(processes.unseen(pid))
        facts = await probes.take_facts()
        clock.pass_seconds(30)
    for pid in (5, 50):
        alarm.note(processes.unseen(pid))
        facts = await probes.take_facts()
        digests.add(digest_facts(facts))
        clock.pass_seconds(30)
    assert len(told(facts)) == len(digests) == 1


async def test_of_causes_that_follow_each_other_only_the_one_that_stands_is_told(
    new_probes: Callable[..., Probes], clock: Any
) -> None:
    alarm = SweepAlarm()
    probes = new_probes(alarm.levels)
    for name in ("one", "two", "three"):
        for _ in range(2):
            alarm.note(PermissionError(13, "Permission denied", name))
            facts = await probes.take_facts()
            clock.pass_seconds(30)
        (message,) = told(facts)
        assert message.endswith(f": {name}")
