"""Put the probes' answers together: the truth about this node, and its digest."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from schedune.api.base import Condition
from schedune.api.nodetruth import (
    CapabilityState,
    Identity,
    LiveVM,
    NodeCapacity,
    NodeTruthStatus,
)
from schedune.api.quantity import parse_bytes
from schedune.api.text import plain_line
from schedune.codes import probes as codes
from schedune.codes import summary
from schedune.codes.row import Reason
from schedune.codes.table import TABLE
from schedune.evidence.health import Level, Memory, judge
from schedune.evidence.health_rules import PROBE_FAILING, RULES
from schedune.evidence.node_class import derive
from schedune.launch.capabilities import KVM
from schedune_agent import __version__
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes.artifacts import LISTED, ArtifactProbe
from schedune_agent.probes.clock import ClockFamily, ServerOffset
from schedune_agent.probes.devices import DeviceFamily
from schedune_agent.probes.disk_health import DiskHealthFamily
from schedune_agent.probes.family import Answer, Family, Outcome, Part, join, observe
from schedune_agent.probes.kvm import KvmFamily
from schedune_agent.probes.memory import MemoryFamily, free_pages
from schedune_agent.probes.networks import NetworkFamily
from schedune_agent.probes.operating_system import SystemFamily
from schedune_agent.probes.own_cgroup import LimitsFamily
from schedune_agent.probes.persistent_disks import PersistentDiskFamily
from schedune_agent.probes.pressure import PressureFamily
from schedune_agent.probes.processor import ProcessorFamily, architecture
from schedune_agent.probes.security import SecurityFamily
from schedune_agent.probes.storage import DiskFamily, Purpose
from schedune_agent.probes.thermal import ThermalFamily
from schedune_agent.probes.vmms import vmm_families
from schedune_agent.settings import AgentSettings
from schedune_agent.system import pods
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_agent.system.place import HERE, Place

_OUTSIDE_DIGEST: Final = ("conditions", "digest", "observedTime", "probes", "liveVMs", "why")


class FactSource(Protocol):
    """Whoever can say what is known of this node now."""

    async def take_facts(self) -> NodeTruthStatus:
        """Return the facts, without digest, conditions or live VMs."""
        ...


def digest_facts(facts: NodeTruthStatus) -> str:
    """Digest what matters of the facts: no times, no durations, nothing of the operator's."""
    content = _without_times({k: v for k, v in facts.render().items() if k not in _OUTSIDE_DIGEST})
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if key != "observedTime"}
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    return value


class Probes:
    """The facts of the machine that this process runs on."""

    def __init__(
        self,
        settings: AgentSettings,
        identity: NodeIdentity,
        containment: str,
        clock: Callable[[], datetime],
        files: HostFiles = HOST,
        server_offset: ServerOffset = lambda: None,
        place: Place = HERE,
        levels: Callable[[], Sequence[Level]] = tuple,
    ) -> None:
        """``levels`` is what is known of this node's health beside the probes."""
        self._settings = settings
        self._identity = identity
        self._containment = containment
        self._dies_with_pod = pods.dies_with_pod(contained=containment == "Cgroup")
        self._clock = clock
        self._levels = levels
        self._first: list[Family] = [KvmFamily(files, place)]
        """Asked before all others: its deadline must not be spent on their work."""
        self._families = families_of(
            settings, files, server_offset, place, shares_limits=containment != "Cgroup"
        )
        self._health = Memory()

    async def take_facts(self) -> NodeTruthStatus:
        """Run every family of probes and put together what they saw."""
        first = [await observe(family) for family in self._first]
        rest = await asyncio.gather(*(observe(family) for family in self._families))
        outcomes = [*first, *rest]
        now = self._clock()
        parts = [one.part for one in outcomes]
        answers = [answer.at(now) for part in parts for answer in part.answers]
        facts = join(parts)
        levels = [*_levels(outcomes), *self._levels()]
        health, self._health = judge(self._health, levels, RULES, now)
        status = NodeTruthStatus.model_validate({
            "artifacts_truncated": 1,
            **facts,
            "capabilities": sorted(answers, key=lambda one: one.name),
            "capacity": self._capacity(),
            "health": health,
            "identity": self._describe(),
            "observed_time": now,
            "probes": [one.run for one in outcomes],
        })  # fmt: skip
        return derive(_with_free_pages(status))

    def _capacity(self) -> NodeCapacity | None:
        offered = self._settings.capacity
        if offered is None:
            return None
        return NodeCapacity(
            vcpus=offered.vcpus, memory=offered.memory, disk=offered.disk, basis="Configured"
        )

    def _describe(self) -> Identity:
        return Identity(
            node_uid=self._identity.uid,
            machine_id=self._identity.machine_id,
            boot_id=self._identity.boot_id,
            agent_version=__version__,
            containment="Cgroup" if self._containment == "Cgroup" else "Session",
            survival="DiesWithAgent" if self._dies_with_pod else "OutlivesAgent",
            execution=self._settings.execution,
        )


def families_of(
    settings: AgentSettings,
    files: HostFiles,
    server_offset: ServerOffset = lambda: None,
    place: Place = HERE,
    *,
    shares_limits: bool = False,
) -> list[Family]:
    """Return the probes that an agent runs, in the order in which they are told.

    ``place`` is where VMs run, ``shares_limits`` says that VMs run in no cgroup of their own.
    """
    # Of our temporary files nobody knows who sees another root than ours.
    run = settings.run_directory if place.namespaces else None
    offered = settings.capacity
    shared = parse_bytes(offered.memory) if offered is not None and shares_limits else None
    return [
        ProcessorFamily(files),
        DeviceFamily(files, place),
        NetworkFamily(files),
        SecurityFamily(files, settings.containment),
        *vmm_families(architecture(files), settings.search_path, place, run),
        ArtifactFamily(ArtifactProbe(settings.image_roots)),
        MemoryFamily(files),
        LimitsFamily(files, shared),
        SystemFamily(files),
        DiskFamily(_paths(settings), files.root),
        PersistentDiskFamily(settings.state_directory),
        ClockFamily(files, server_offset),
        PressureFamily(files),
        ThermalFamily(files),
        DiskHealthFamily(files),
    ]


def _levels(outcomes: Sequence[Outcome]) -> list[Level]:
    """Return what the families measured, and for each whether it failed."""
    failing = [
        Level(PROBE_FAILING, float(one.run.reason_code is not None), one.run.name)
        for one in outcomes
    ]
    return [*failing, *(level for one in outcomes for level in one.part.levels)]


def _with_free_pages(facts: NodeTruthStatus) -> NodeTruthStatus:
    """Say in the capacity which huge pages are free."""
    if facts.capacity is None:
        return facts
    capacity = facts.capacity.model_copy(update={"hugepages": free_pages(facts.memory)})
    return facts.model_copy(update={"capacity": capacity})


def _paths(settings: AgentSettings) -> list[tuple[Purpose, Path]]:
    images: list[tuple[Purpose, Path]] = [("Images", root) for root in settings.image_roots]
    return [*images, ("Run", settings.run_directory), ("State", settings.state_directory)]


class ArtifactFamily:
    """The inventory of the image roots."""

    name = "artifacts"
    deadline_s = 10.0
    answers_for = (LISTED,)

    def __init__(self, probe: ArtifactProbe) -> None:
        self._probe = probe

    async def __call__(self) -> Part:
        """Look at the files."""
        files, hidden = await self._probe()
        state, row, seen = self._probe.judge_roots()
        listed = Answer(LISTED, state, row, seen, source="image roots", method="listed the folders")
        return Part(
            facts={"artifacts": files, "artifacts_truncated": hidden or None}, answers=[listed]
        )


def agent_conditions(facts: NodeTruthStatus, now: datetime, generation: int) -> list[Condition]:
    """Return the conditions that the agent owns."""
    kvm = next((one for one in facts.capabilities if one.name == KVM), None)
    state = kvm.state if kvm else CapabilityState.UNKNOWN
    status = {CapabilityState.SUPPORTED: "True", CapabilityState.UNKNOWN: "Unknown"}.get(
        state, "False"
    )
    row = TABLE.get(kvm.reason_code) if kvm else None
    version = facts.identity.agent_version if facts.identity else ""
    return [
        Condition(
            type="KVMUsable", status=status, reason=(row or codes.CAP_KVM_ERROR).reason,
            message=kvm.message if kvm else "", last_transition_time=now,
            observed_generation=generation,
        ),
        Condition(
            type="AgentHealthy", status="True", reason=summary.AGENT_RUNNING.reason,
            message=Reason(summary.AGENT_RUNNING, f"schedune-agent {version}").message,
            last_transition_time=now, observed_generation=generation,
        ),
    ]  # fmt: skip


def why_lines(facts: NodeTruthStatus, live: Sequence[LiveVM]) -> list[str]:
    """Render the facts that decide as a small table."""
    kvm = next((one for one in facts.capabilities if one.name == KVM), None)
    offered, cpu, identity = facts.capacity, facts.cpu, facts.identity
    rows = [
        ("PROCESSOR", f"{cpu.architecture}, {cpu.cores} CPUs, {cpu.model}" if cpu else "unknown"),
        ("KVM", f"{kvm.state.value}: {kvm.message}" if kvm else "unknown"),
        *(
            (
                one.name.value,
                f"{one.version or 'version unknown'}, {'/'.join(one.accelerations)}, {one.path}",
            )
            for one in facts.backends
        ),
        (
            "VM CAPACITY",
            f"{offered.vcpus} vCPUs, {offered.memory} ({offered.basis})"
            if offered
            else "undeclared",
        ),
        ("ARTEFACTS", ", ".join(one.name for one in facts.artifacts[:6]) or "none"),
        ("VMS RUN IN", f"{identity.containment}, {identity.survival}" if identity else "unknown"),
        ("LIVE VMS", ", ".join(f"{one.namespace}/{one.name}" for one in live[:6]) or "none"),
    ]
    width = max(len(name) for name, _ in rows)
    return [plain_line(f"{name.ljust(width)}  {text}") for name, text in rows][:12]
