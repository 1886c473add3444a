"""What the decision keeps of one node: few bytes, shared where nodes are alike."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from schedune.api.nodetruth import (
    Artifact,
    BackendFact,
    Capability,
    CapabilityState,
    HealthState,
    NodeTruth,
    NodeTruthStatus,
    PersistentDiskFact,
    Scheduling,
)
from schedune.api.quantity import MAX_BYTES, parse_bytes
from schedune.api.vmworkload import Backend
from schedune.evidence.findings import CONFLICT
from schedune.fleet.node import NodeRecord, Taint

NEVER: Final = -(2**62)
"""In a column of times: at no time."""
ALWAYS: Final = 2**62
"""In a column of times: for ever."""
UNDECLARED: Final = -1
"""In a capacity column: nobody has said."""
LAUNCHES: Final = "Launches"
"""The ``execution`` of an agent that runs VMs."""
_MOST_YOUNG: Final = 1024
"""So many values are shared before those that nobody asked for meanwhile are let go of."""
_NOT_HELD: Final = object()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T", bound=Hashable)


def microseconds(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970: exact, and the same everywhere."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True, slots=True)
class BackendProfile:
    """One VMM binary, without what no launch depends on."""

    name: Backend
    version: str | None
    version_line: str
    architecture: str
    accelerations: frozenset[str]
    machine_types: frozenset[str]
    features: frozenset[str]


@dataclass(frozen=True, slots=True)
class HeldDisk:
    """A Persistent disk that the node keeps, whether or not its VM is there."""

    namespace: str
    namespace_uid: str
    workload: str
    disk: str
    size_bytes: int
    """To what it may grow."""


@dataclass(frozen=True, slots=True)
class ArtifactProfile:
    """One file of the inventory, with the evidence only where it stands against a launch."""

    name: str
    kind: str
    format: str
    size_bytes: int
    virtual_size_bytes: int
    architecture: str
    sha256: str | None
    sha256_missing: str | None = None
    refusal: str | None = None
    """Why nothing is launched from it."""
    conflict: str = ""
    """The findings that disagree about its architecture."""
    memory_bytes: int = 0
    """Guest memory that a kernel is put into; 0: its header does not tell."""


@dataclass(frozen=True, slots=True)
class CapabilityProfile:
    """What is known of one capability, without when."""

    name: str
    state: CapabilityState
    reason_code: str
    message: str


@dataclass(frozen=True, slots=True)
class CapacityProfile:
    """What VMs may use."""

    vcpus: int
    memory: int
    disk: int
    hugepages: tuple[tuple[int, int], ...]
    """Size of a page and how many, both in what they say."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything of a truth that a check asks for."""

    architecture: str = ""
    backends: tuple[BackendProfile, ...] = ()
    artifacts: tuple[ArtifactProfile, ...] = ()
    artifacts_hidden: int = 0
    image_roots: tuple[str, ...] = ()
    """Folders whose files are artefacts; of equal names the first one's counts."""
    capabilities: Mapping[str, CapabilityProfile] = field(default_factory=dict)
    capability_ends: Mapping[str, int] = field(default_factory=dict)
    """Until when each capability may be believed, in microseconds; absent: as long as the truth."""
    capacity: CapacityProfile | None = None
    node_class: str | None = None
    constraints: tuple[tuple[str, str], ...] = ()
    """Code and what was observed."""
    health: str = HealthState.UNKNOWN.value
    alarms: tuple[tuple[str, str], ...] = ()
    """Code and severity."""
    bridges: frozenset[str] = frozenset()
    failed_probes: tuple[str, ...] = ()
    persistent_disks: tuple[HeldDisk, ...] = ()
    execution: str = LAUNCHES
    """Launches, or PreparesOnly."""
    live: frozenset[str] = frozenset()
    """UIDs of the workloads of which a VM runs here."""

    def artifact(self, name: str) -> ArtifactProfile | None:
        """Return the file of that name, or at that path right below an image root."""
        wanted = self._name_at(name) if name.startswith("/") else name
        return next((one for one in self.artifacts if one.name == wanted), None)

    def _name_at(self, path: str) -> str | None:
        """Return the name under which the inventory lists a path, if it may."""
        folder, _, name = path.rpartition("/")
        return name if folder in self.image_roots else None


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """One row of the fleet."""

    name: str
    uid: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    node_ready: bool | None
    unschedulable: bool
    scheduling: str
    last_proof: int
    """Microseconds; NEVER."""
    lease_seconds: int
    last_heard: int
    """Microseconds; NEVER."""
    machine_id: str
    digest: str | None
    facts: Facts | None
    unknown: str = ""
    """Why there are no facts."""


class Interner:
    """Keeps one of equal values, so that nodes that are alike share them.

    It keeps those that were asked for of late: what a node published once and never again is let
    go of. All that is lost where one comes back after that is that it is held twice.
    """

    def __init__(self) -> None:
        self._young: dict[Hashable, Hashable] = {}
        self._old: dict[Hashable, Hashable] = {}
        """What was asked for before, and may be again."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __call__(self, value: _T) -> _T:
        """Return the first value that was equal to this one."""
        held = self._young.get(value, _NOT_HELD)
        if held is _NOT_HELD:
            held = self._old.pop(value, value)
            if len(self._young) >= _MOST_YOUNG:
                self._old, self._young = self._young, {}
            self._young[held] = held
        return held  # type: ignore[return-value]


def profile_of(record: NodeRecord, same: Interner, known: Facts | None = None) -> NodeProfile:
    """Reduce what the caller knows of a node to what is asked of it.

    ``known`` are the facts to which the same truth was reduced before.
    """
    truth = record.truth
    identity = truth.status.identity if truth else None
    unknown = _why_unknown(record)
    return NodeProfile(
        name=record.name,
        uid=record.uid,
        labels={same(key): same(value) for key, value in record.labels.items()},
        taints=same(record.taints),
        node_ready=record.node_ready,
        unschedulable=record.unschedulable,
        scheduling=(truth.spec.scheduling if truth else Scheduling.ENABLED).value,
        last_proof=NEVER if record.last_proof is None else microseconds(record.last_proof),
        lease_seconds=record.lease_seconds,
        last_heard=NEVER if record.last_heard is None else microseconds(record.last_heard),
        machine_id=identity.machine_id if identity else "",
        digest=truth.status.digest if truth else None,
        facts=None
        if unknown or truth is None
        else known or _facts_on_our_clock(record, truth, same),
        unknown=unknown,
    )


def _facts_on_our_clock(record: NodeRecord, truth: NodeTruth, same: Interner) -> Facts:
    """Reduce a truth to facts whose lifetimes end by the caller's clock, not by the node's."""
    facts, ahead = facts_of(truth, same), record.clock_ahead_seconds * 1_000_000
    if not ahead or not facts.capability_ends:
        return facts
    ends = {name: end - ahead for name, end in facts.capability_ends.items()}
    return replace(facts, capability_ends=ends)


def _why_unknown(record: NodeRecord) -> str:
    if record.truth is None:
        return "there is no NodeTruth"
    identity = record.truth.status.identity
    if identity is None:
        return "its NodeTruth holds no facts yet"
    if identity.node_uid != record.uid:
        return f"its NodeTruth is about the Node with UID {identity.node_uid}"
    return ""


def facts_of(truth: NodeTruth, same: Interner) -> Facts:
    """Reduce a truth to facts; what administrators say of the class goes before what is derived."""
    override = truth.spec.compatibility_class
    facts = reduce_facts(truth.status, same, override.name if override else None)
    declared = truth.spec.capacity
    if declared is None:
        return facts
    pages = facts.capacity.hugepages if facts.capacity else ()
    memory, disk = parse_bytes(declared.memory), parse_bytes(declared.disk)
    capacity = CapacityProfile(declared.vcpus, memory, disk, pages)
    return replace(facts, capacity=capacity)


def reduce_facts(status: NodeTruthStatus, same: Interner, node_class: str | None = None) -> Facts:
    """Reduce a status to facts; equal parts of different nodes become one."""
    ends = {
        same(one.name): min(
            microseconds(one.observed_time) + one.stale_after_seconds * 1_000_000, ALWAYS
        )
        for one in status.capabilities
        if one.stale_after_seconds is not None
    }
    health = status.health
    return Facts(
        architecture=same(status.cpu.architecture if status.cpu else ""),
        backends=same(tuple(_backend(one) for one in status.backends)),
        artifacts=same(tuple(_artifact(one) for one in status.artifacts)),
        artifacts_hidden=status.artifacts_truncated or 0,
        image_roots=same(
            tuple(one.path.rstrip("/") for one in status.disks if one.purpose == "Images")
        ),
        capabilities={same(one.name): same(_capability(one)) for one in status.capabilities},
        capability_ends=ends,
        capacity=_capacity(status),
        node_class=same(node_class or status.compatibility_class),
        constraints=same(tuple((one.code, one.observed) for one in status.constraints)),
        health=same((health.state if health else HealthState.UNKNOWN).value),
        alarms=same(tuple((one.code, one.severity) for one in health.alarms) if health else ()),
        bridges=same(frozenset(one.name for one in status.networks)),
        failed_probes=same(
            tuple(sorted(one.name for one in status.probes if one.outcome != "Succeeded"))
        ),
        persistent_disks=tuple(_held(one) for one in status.persistent_disks),
        execution=status.identity.execution if status.identity else LAUNCHES,
        live=frozenset(one.workload_uid for one in status.live_vms),
    )


def _backend(fact: BackendFact) -> BackendProfile:
    return BackendProfile(
        name=fact.name,
        version=fact.version,
        version_line=fact.version_line,
        architecture=fact.architecture,
        accelerations=frozenset(fact.accelerations),
        machine_types=frozenset(fact.machine_types),
        features=frozenset(fact.features),
    )


def _artifact(fact: Artifact) -> ArtifactProfile:
    return ArtifactProfile(
        name=fact.name,
        kind=fact.kind.value,
        format=fact.format,
        size_bytes=min(fact.size_bytes, MAX_BYTES),
        virtual_size_bytes=min(fact.virtual_size_bytes or fact.size_bytes, MAX_BYTES),
        architecture=fact.architecture,
        sha256=fact.sha256,
        sha256_missing=fact.sha256_missing,
        refusal=fact.refusal,
        conflict=fact.evidence if fact.architecture == CONFLICT else "",
        memory_bytes=min(fact.memory_bytes or 0, MAX_BYTES),
    )


def _held(fact: PersistentDiskFact) -> HeldDisk:
    size = min(fact.size_bytes, MAX_BYTES)
    return HeldDisk(fact.namespace, fact.namespace_uid, fact.workload, fact.disk, size)


def _capability(fact: Capability) -> CapabilityProfile:
    return CapabilityProfile(fact.name, fact.state, fact.reason_code, fact.message)


def _capacity(status: NodeTruthStatus) -> CapacityProfile | None:
    found = status.capacity
    if found is None:
        return None
    pages = tuple(_pages(text) for text in found.hugepages)
    return CapacityProfile(found.vcpus, parse_bytes(found.memory), parse_bytes(found.disk), pages)


def _pages(text: str) -> tuple[int, int]:
    """Read ``SIZE=COUNT``; what is no such thing offers nothing."""
    size, _, count = text.partition("=")
    page = parse_bytes(size)
    if page == 0 or not count.isdecimal():
        return page, 0
    return page, min(int(count), MAX_BYTES // page)
