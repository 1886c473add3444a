"""The facts of the host, put together: small, still, and with a health of their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Artifact, HealthState, NodeTruthStatus
from schedune.eligibility.freshness import _OWN_WORD
from schedune_agent.facts import Probes, digest_facts
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes.family import Family, Part
from schedune_agent.published import publish_form
from schedune_agent.settings import AgentSettings
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import recorded, write

TYPICAL = 8 * 1024
ARTIFACT = {
    "name": "debian-12-genericcloud-amd64", "kind": "Disk", "format": "Qcow2",
    "sizeBytes": 2**31, "virtualSizeBytes": 2**33, "architecture": "amd64",
    "evidence": "ESP: EFI/BOOT/BOOTX64.EFI machine 0x8664", "sha256": "0" * 64,
}  # fmt: skip


@pytest.fixture
def new_probes(tmp_path: Path, clock: Any) -> Callable[..., Probes]:
    def make(files: HostFiles = HOST, containment: str = "Cgroup", memory: str = "1Gi") -> Probes:
        settings = AgentSettings.model_validate(
            {
                "kubernetes": {"server": "https://127.0.0.1", "caFile": "/c", "tokenFile": "/t"},
                "clusterUID": "cluster-of-this-test",
                "runDirectory": str(tmp_path / "run"),
                "stateDirectory": str(tmp_path),
                "imageRoots": [str(tmp_path)],
                "capacity": {"vcpus": 2, "memory": memory},
            }
        )
        identity = NodeIdentity("node", "node-uid", "machine", "boot")
        return Probes(settings, identity, containment, clock, files, lambda: 0.3)

    return make


def only(probes: Probes, *names: str) -> Probes:
    """Leave out the families that are slow and not asked about."""
    probes._first = []
    probes._families = [one for one in probes._families if one.name in names]
    return probes


HOSTS_OWN = (
    "cpu", "memory", "limits", "os", "disks", "persistent-disks", "clock", "pressure", "thermal",
    "disk-health",
)  # fmt: skip


async def test_a_full_truth_with_six_artefacts_is_small(
    new_probes: Callable[..., Probes],
) -> None:
    facts = await new_probes().take_facts()
    files = [Artifact.model_validate({**ARTIFACT, "name": f"image-{n}"}) for n in range(6)]
    body = publish_form(facts.model_copy(update={"artifacts": files}))
    assert len(json.dumps(body, separators=(",", ":"))) <= TYPICAL


async def test_what_passes_between_two_rounds_changes_no_fact(
    new_probes: Callable[..., Probes], clock: Any
) -> None:
    probes = only(new_probes(), *HOSTS_OWN)
    first = digest_facts(await probes.take_facts())
    for _ in range(3):
        clock.pass_seconds(1)
        assert digest_facts(await probes.take_facts()) == first


async def test_a_recorded_machine_is_told_as_it_was(new_probes: Callable[..., Probes]) -> None:
    facts = await only(new_probes(recorded("arm64-server")), *HOSTS_OWN).take_facts()
    assert facts.cpu is not None
    assert (facts.cpu.architecture, facts.cpu.model) == ("arm64", "Neoverse-N1")
    assert {one.name for one in facts.probes} == set(HOSTS_OWN)


async def test_free_huge_pages_are_part_of_the_capacity(new_probes: Callable[..., Probes]) -> None:
    probes = only(new_probes(recorded("intel-skylake-server")), *HOSTS_OWN)
    facts = await probes.take_facts()
    assert facts.capacity is not None
    assert (facts.capacity.memory, facts.capacity.hugepages) == ("1Gi", ["2Mi=16"])


@pytest.mark.parametrize(
    ("containment", "memory", "told"),
    [("Session", "1Gi", True), ("Session", "100Mi", False), ("Cgroup", "1Gi", False)],
)
async def test_vms_that_share_our_limit_and_are_offered_more_are_an_alarm(
    new_probes: Callable[..., Probes], containment: str, memory: str, told: bool
) -> None:
    probes = only(new_probes(recorded("amd-epyc"), containment, memory), "limits")
    health = (await probes.take_facts()).health
    assert health is not None
    assert ("ALARM_MEMORY_LIMITED" in [one.code for one in health.alarms]) is told


async def test_pressure_that_lasts_is_a_warning_and_keeps_no_vm_away(
    new_probes: Callable[..., Probes], clock: Any, tmp_path: Path
) -> None:
    full = "some avg10=99.00 avg60=99.00 avg300=9.00 total=1"
    files = write(tmp_path / "tree", proc__pressure__cpu=full)
    probes = only(new_probes(files), "pressure")
    states = []
    for _ in range(4):
        states.append(_state(await probes.take_facts()))
        clock.pass_seconds(150)
    assert states == [HealthState.HEALTHY, HealthState.HEALTHY, *[HealthState.WARNING] * 2]


async def test_a_state_directory_that_is_gone_degrades_the_node_and_it_recovers(
    new_probes: Callable[..., Probes], clock: Any, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    state = tree / str(tmp_path).lstrip("/")
    probes = only(new_probes(HostFiles(tree)), "disks")
    tree.mkdir()
    states = []
    for folder_is_there in (True, False, False, True, True, True):
        if folder_is_there:
            state.mkdir(parents=True, exist_ok=True)
        elif state.exists():
            state.rmdir()
        states.append(_state(await probes.take_facts()))
        clock.pass_seconds(30)
    healthy, degraded = HealthState.HEALTHY, HealthState.DEGRADED
    assert states == [healthy, healthy, degraded, degraded, degraded, healthy]


async def test_a_probe_that_keeps_failing_is_an_alarm_by_its_name(
    new_probes: Callable[..., Probes], clock: Any, tmp_path: Path
) -> None:
    probes = only(new_probes(HostFiles(tmp_path)), "memory")
    for _ in range(3):
        facts = await probes.take_facts()
        clock.pass_seconds(30)
    assert facts.health is not None
    (alarm,) = facts.health.alarms
    assert (alarm.code, alarm.message) == ("ALARM_PROBE_FAILING", "the probe memory fails")
    assert facts.health.state is HealthState.WARNING


async def test_files_that_told_nothing_are_named_with_the_run_of_their_probe(
    new_probes: Callable[..., Probes], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    files = write(tree, proc__meminfo="MemTotal: 4 kB", sys__kernel__mm__ksm__run="garbage")
    facts = await only(new_probes(files), "memory").take_facts()
    (run,) = facts.probes
    assert run.outcome == "Succeeded"
    assert run.unread == ["sys/kernel/mm/ksm/run: says 'garbage', which is not known here"]


def test_where_no_answer_would_look_like_all_is_well_a_failing_probe_keeps_vms_away(
    new_probes: Callable[..., Probes],
) -> None:
    families: list[Family] = new_probes()._families
    assert {one.name for one in families} - _OWN_WORD == {
        "disk-health", "networks", "persistent-disks", "pressure", "thermal",
    }  # fmt: skip


async def test_a_family_says_for_which_answers_it_stands(new_probes: Callable[..., Probes]) -> None:
    for family in only(new_probes(), *HOSTS_OWN)._families:
        part: Part = await family()
        assert {one.name for one in part.answers} == set(family.answers_for)


def _state(facts: NodeTruthStatus) -> HealthState:
    assert facts.health is not None
    return facts.health.state
