"""The oracle: a plain loop over nodes and checks, as lean as Python allows.

Written from design.md and the intent's meaning, not from the engine: no columns, no
findings, no shared answers. Property tests compare verdict by verdict; ``bench`` measures
the engine against it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.fleet.node import NodeRecord
from schedune.launch.intent import Intent
from schedune.launch.overhead import vmm_overhead
from schedune_testing.versions import as_numbers

NEEDED = {"Firecracker": ("firecracker_tun_ready", "firecracker_cgroups_ready")}
KERNELS = {
    ("QEMU", "amd64"): {"BzImage", "ELF"},
    ("QEMU", "arm64"): {"Image", "Gzip", "EfiZboot"},
    ("CloudHypervisor", "amd64"): {"ELF", "BzImage"},
    ("CloudHypervisor", "arm64"): {"Image"},
    ("Firecracker", "amd64"): {"ELF"},
    ("Firecracker", "arm64"): {"Image"},
}
VMMS = ("QEMU", "CloudHypervisor", "Firecracker")
MACHINES = {"amd64": "q35", "arm64": "virt"}
DEVICES = {"virtio-serial-pci", "virtserialport", "pvpanic-pci"}
DISK_DEVICES = {"virtio-blk-pci"}
CARD_DEVICES = {
    "User": {"virtio-net-pci", "netdev-user"},
    "Tap": {"virtio-net-pci", "netdev-tap"},
}


class PlainVmm:
    """One VMM of a node, or its absence."""

    __slots__ = ("accelerations", "devices", "here", "line", "machine", "version")

    def __init__(self, fact: Any, architecture: str) -> None:
        self.here = fact is not None and fact.architecture == architecture
        self.accelerations = set(fact.accelerations) if fact else set()
        self.machine = fact is not None and MACHINES.get(architecture) in fact.machine_types
        self.devices = set(fact.features) if fact else set()
        self.version = as_numbers(fact.version) if fact and fact.version else None
        self.line = ".".join(fact.version.split(".")[:2]) if fact and fact.version else ""


class PlainNode:
    """One node, read once: what the loop asks for is an attribute."""

    __slots__ = (
        "age", "arch", "caps", "classes", "closed", "constraints", "files", "health",
        "known", "labels", "launches", "lease", "memory", "name", "ready", "taints",
        "vcpus", "vmms",
    )  # fmt: skip

    def __init__(self, record: NodeRecord, now: datetime) -> None:
        truth = record.truth
        status = truth.status if truth else None
        self.name = record.name
        self.known = bool(status and status.identity and status.identity.node_uid == record.uid)
        proof = record.last_proof
        self.age = (now - proof).total_seconds() if proof else float("inf")
        self.lease = record.lease_seconds
        self.ready = record.node_ready is True
        self.closed = record.unschedulable or bool(
            truth and truth.spec.scheduling.value != "Enabled"
        )
        self.launches = bool(self.known and status.identity.execution == "Launches")
        self.labels = record.labels
        self.taints = {one.key for one in record.taints if one.effect != "PreferNoSchedule"}
        self.arch = status.cpu.architecture if status and status.cpu else ""
        self.health = status.health.state.value if status and status.health else "Unknown"
        self.classes = status.compatibility_class if status else None
        self.constraints = {one.code for one in status.constraints} if status else set()
        self.caps = {
            one.name
            for one in (status.capabilities if status else ())
            if one.state.value == "Supported" and not _is_old(one, now)
        }
        self.files = {one.name: one for one in status.artifacts} if status else {}
        found = {one.name.value: one for one in status.backends} if status else {}
        self.vmms = {name: PlainVmm(found.get(name), self.arch) for name in VMMS}
        capacity = status.capacity if status else None
        self.vcpus = capacity.vcpus if capacity else -1
        self.memory = parse_bytes(capacity.memory) if capacity else -1


def _is_old(one: Any, now: datetime) -> bool:
    if one.stale_after_seconds is None:
        return False
    return bool((now - one.observed_time).total_seconds() > one.stale_after_seconds)


Check = Callable[[PlainNode], bool]
"""True: the node passes."""


@dataclass(frozen=True)
class PlainIntent:
    """The checks of one intent: for every node, and for every node with each backend."""

    common: Sequence[Check]
    backends: Sequence[tuple[str, Sequence[Check]]]


def compile_intent(intent: Intent, policy: SchedulingPolicy) -> PlainIntent:
    """Turn an intent into closures, once."""
    usable = [one.value for one in policy.backends]
    backends = [
        (one.value, _backend_checks(one.value, intent, policy) if one.value in usable else [_never])
        for one in intent.backends
    ]
    return PlainIntent([*_place(intent), *_state(intent), *_sizes(intent)], backends)


def _never(_node: PlainNode) -> bool:
    return False


def _place(intent: Intent) -> Iterable[Check]:
    placement = intent.spec.placement
    for key, value in placement.node_selector.items():
        yield lambda node, key=key, value=value: node.labels.get(key) == value
    affinity = placement.node_affinity
    if affinity is not None and affinity.required is not None:
        terms = [
            [(one.key, set(one.values)) for one in term.match_expressions]
            for term in affinity.required.node_selector_terms
        ]
        yield lambda node: any(
            all(node.labels.get(key) in values for key, values in term) for term in terms
        )
    tolerated = {one.key for one in placement.tolerations}
    yield lambda node: node.taints <= tolerated
    classes = set(placement.compatibility_classes)
    if classes:
        yield lambda node: node.classes in classes
    forbidden = set(placement.forbidden_constraints)
    if forbidden:
        yield lambda node: not (forbidden & node.constraints)
    for name in placement.required_capabilities:
        yield lambda node, name=name: name in node.caps


def _devices(intent: Intent) -> set[str]:
    cards = [CARD_DEVICES[one.type] for one in intent.spec.networks]
    return DEVICES.union(DISK_DEVICES if intent.spec.disks else (), *cards)


def _state(intent: Intent) -> Iterable[Check]:
    limit = intent.spec.placement.max_truth_age_seconds
    yield attrgetter("known")
    yield attrgetter("ready")
    yield lambda node: not node.closed
    if intent.spec.launch_mode.value == "Execute":
        yield attrgetter("launches")
    yield lambda node: node.age <= node.lease
    yield lambda node: node.age <= limit
    yield lambda node: node.age >= -5
    yield lambda node: node.health in ("Healthy", "Warning")
    yield lambda node: node.arch != ""
    wanted = intent.architecture.value
    if wanted != "Any":
        yield lambda node: node.arch == wanted
    if intent.acceleration.value == "KVM":
        yield lambda node: "kvm_vm_launch" in node.caps


def _sizes(intent: Intent) -> Iterable[Check]:
    vcpus = intent.vcpus
    memory = intent.memory_bytes + vmm_overhead(vcpus, intent.acceleration)
    yield lambda node: node.vcpus >= 0
    yield lambda node: node.vcpus >= vcpus
    yield lambda node: node.memory >= memory
    for need in intent.needs.artifacts:
        name, kind = need.name, need.kind
        yield lambda node, name=name: name in node.files
        yield (lambda node, name=name, kind=kind: _is_usable(node.files.get(name), kind))
        yield (
            lambda node, name=name: (
                name in node.files and (node.files[name].architecture == node.arch)
            )
        )


def _backend_checks(name: str, intent: Intent, policy: SchedulingPolicy) -> list[Check]:
    wanted = intent.version_of(next(one for one in intent.backends if one.value == name))
    files = {one.kind.value: one.name for one in intent.needs.artifacts}
    kernel = files["Kernel"]
    floors = [one for one in policy.version_floors if one.name.value == name]
    acceleration, needed = intent.acceleration.value, set(NEEDED.get(name, ()))
    checks: list[Check] = [
        lambda node: node.vmms[name].here,
        lambda node: acceleration in node.vmms[name].accelerations,
        lambda node: needed <= node.caps,
        lambda node: _format_fits(name, node, kernel),
        lambda node: intent.memory_bytes >= _memory_taken(name, node, files),
    ]
    if wanted.minimum or wanted.exact or floors:
        checks.append(_version_check(name, wanted, floors))
    if name == "QEMU":
        checks.append(lambda node: node.vmms[name].machine)
        wanted = _devices(intent)
        checks.append(lambda node: node.vmms[name].devices >= wanted)
    elif name == "Firecracker":
        rooted = bool(intent.needs.disk_formats) or intent.needs.has_initrd
        checks.append(lambda _node: rooted)
    return checks


def _is_usable(file: Any, kind: Any) -> bool:
    return file is not None and file.kind is kind and file.refusal is None


def _format_fits(name: str, node: PlainNode, kernel: str) -> bool:
    accepted = KERNELS.get((name, node.arch))
    return accepted is None or kernel not in node.files or node.files[kernel].format in accepted


def _memory_taken(name: str, node: PlainNode, files: Mapping[str, str]) -> int:
    kernel, initrd = (node.files.get(files.get(kind, "")) for kind in ("Kernel", "Initrd"))
    if kernel is None or not kernel.memory_bytes:
        return 0
    if kernel.format == "ELF":
        return 0 if name == "QEMU" else kernel.memory_bytes
    return kernel.memory_bytes + (initrd.size_bytes if initrd else 0)


def _version_check(name: str, wanted: Any, floors: Sequence[Any]) -> Check:
    minimum = as_numbers(wanted.minimum or "0.0")
    exact = as_numbers(wanted.exact) if wanted.exact else None
    by_line = {one.line: as_numbers(one.minimum) for one in floors}
    general = by_line.get(None, minimum)

    def fits(node: PlainNode) -> bool:
        vmm = node.vmms[name]
        found = vmm.version
        if found is None or found < minimum or (exact is not None and found != exact):
            return False
        return bool(found >= by_line.get(vmm.line, general))

    return fits


def judge(nodes: Sequence[PlainNode], intent: PlainIntent) -> list[list[bool]]:
    """Ask every node every question, none skipped; return the verdict of every pair."""
    verdicts = []
    for node in nodes:
        common = True
        for check in intent.common:
            if not check(node):
                common = False
        pairs = []
        for _, checks in intent.backends:
            passes = common
            for check in checks:
                if not check(node):
                    passes = False
            pairs.append(passes)
        verdicts.append(pairs)
    return verdicts
