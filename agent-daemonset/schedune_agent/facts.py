"""Put the probes' answers together: the truth about this node, and its digest."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from schedune.api.base import Condition
from schedune.api.nodetruth import (
    Capability,
    CapabilityState,
    Constraint,
    Health,
    HealthState,
    Identity,
    LiveVM,
    NodeCapacity,
    NodeTruthStatus,
)
from schedune.api.text import plain_line
from schedune.codes import probes as codes
from schedune.codes import summary
from schedune.codes.row import Reason, Row
from schedune.codes.table import TABLE
from schedune.launch.capabilities import KVM
from schedune_agent import __version__
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes import host
from schedune_agent.probes.artifacts import LISTED, ArtifactProbe
from schedune_agent.probes.kvm import UNKNOWN, KvmAnswer, KvmProbe
from schedune_agent.probes.outcome import Outcome, observe
from schedune_agent.probes.qemu import QemuProbe
from schedune_agent.settings import AgentSettings

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
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._containment = containment
        self._clock = clock
        self._kvm = KvmProbe()
        self._artifacts = ArtifactProbe(settings.image_roots)
        self._qemu: QemuProbe | None = None
        self._disks = host.DiskProbe(self._paths())

    async def take_facts(self) -> NodeTruthStatus:
        """Run every probe and put together what they saw."""
        now = self._clock()
        cpu = await observe("cpu", host.probe_cpu)
        architecture = cpu.value.architecture if cpu.value else ""
        kvm = await observe("kvm", self._kvm)
        answer = kvm.value or UNKNOWN
        self._qemu = self._qemu or QemuProbe(architecture)
        qemu_probe = self._qemu
        qemu = await observe("qemu", lambda: qemu_probe(kvm_works=answer.works))
        artifacts = await observe("artifacts", self._artifacts)
        memory = await observe("memory", host.probe_memory)
        system = await observe("os", host.probe_os)
        disks = await observe("disks", self._disks)
        files, hidden = artifacts.value or ([], 1)
        return NodeTruthStatus(
            artifacts=files,
            artifacts_truncated=hidden or None,
            backends=qemu.value or [],
            capabilities=[
                _kvm_capability(answer, now),
                _qemu_capability(qemu, architecture, now),
                self._roots_capability(now),
            ],
            capacity=self._capacity(),
            compatibility_class=_class_of(architecture, answer)[0],
            compatibility_reasons=[row.code for row in _class_of(architecture, answer)[1]],
            constraints=_constraints(answer),
            cpu=cpu.value,
            disks=disks.value or [],
            health=Health(state=HealthState.HEALTHY),
            identity=self._describe(),
            memory=memory.value,
            observed_time=now,
            os=system.value,
            probes=[one.run for one in (cpu, kvm, qemu, artifacts, memory, system, disks)],
        )

    def _paths(self) -> list[tuple[host.Purpose, Any]]:
        images: list[tuple[host.Purpose, Any]] = [
            ("Images", root) for root in self._settings.image_roots
        ]
        return [
            *images,
            ("Run", self._settings.run_directory),
            ("State", self._settings.state_directory),
        ]

    def _capacity(self) -> NodeCapacity | None:
        offered = self._settings.capacity
        if offered is None:
            return None
        return NodeCapacity(
            vcpus=offered.vcpus, memory=offered.memory, disk=offered.disk, basis="Configured"
        )

    def _roots_capability(self, now: datetime) -> Capability:
        state, row, seen = self._artifacts.judge_roots()
        return Capability(
            name=LISTED,
            state=state,
            reason_code=row.code,
            source="image roots",
            method="listed the folders",
            observed_time=now,
            message=Reason(row, seen[:200]).message,
        )

    def _describe(self) -> Identity:
        return Identity(
            node_uid=self._identity.uid,
            machine_id=self._identity.machine_id,
            boot_id=self._identity.boot_id,
            agent_version=__version__,
            containment="Cgroup" if self._containment == "Cgroup" else "Session",
            survival="OutlivesAgent",
        )


def _kvm_capability(answer: KvmAnswer, now: datetime) -> Capability:
    return Capability(
        name=KVM,
        state=answer.state,
        reason_code=answer.row.code,
        source="/dev/kvm",
        method="ran a long-mode guest in a child",
        observed_time=now,
        message=Reason(answer.row, answer.detail).message,
    )


def _qemu_capability(found: Outcome[Any], architecture: str, now: datetime) -> Capability:
    row, state, seen = (
        codes.CAP_QEMU_MISSING,
        CapabilityState.UNSUPPORTED,
        f"QEMU for {architecture}",
    )
    if found.value is None:
        row, state, seen = codes.CAP_QEMU_UNANSWERED, CapabilityState.UNKNOWN, found.message
    elif found.value:
        row, state, seen = (
            codes.CAP_QEMU_PRESENT,
            CapabilityState.SUPPORTED,
            found.value[0].version_line,
        )
    return Capability(
        name="qemu_binary_present",
        state=state,
        reason_code=row.code,
        source="search path",
        method="--version and QMP",
        observed_time=now,
        message=Reason(row, seen[:200]).message,
    )


def _class_of(architecture: str, answer: KvmAnswer) -> tuple[str, Sequence[Row]]:
    """Derive the compatibility class (upstream.md 4.3), from KVM that runs, not that exists."""
    if architecture not in ("amd64", "arm64"):
        return "Unsupported", [codes.CLASS_UNSUPPORTED_ARCH]
    if not answer.works:
        return "Unsupported", [codes.CLASS_UNSUPPORTED_NO_KVM]
    if architecture == "arm64":
        return "ArmProduction", [codes.CLASS_ARM_PROD_READY]
    return "X86HoldingPool", [codes.CLASS_X86_HOLDING_READY]


def _constraints(answer: KvmAnswer) -> list[Constraint]:
    if answer.works:
        return []
    row = codes.CONSTRAINT_NO_KVM
    return [
        Constraint(
            code=row.code, type="VirtualizationDisabled", observed=answer.detail, expected="works"
        )
    ]


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
