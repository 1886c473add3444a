"""Parse, once, what a user wrote into what it means."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from schedune.api.nodetruth import ArtifactKind
from schedune.api.quantity import QuantityError, parse_bytes
from schedune.api.vmworkload import (
    Acceleration,
    Architecture,
    Attempt,
    Backend,
    DiskAccess,
    LaunchMode,
    PersistentDiskHome,
    Probe,
    RuntimeClass,
    VMWorkload,
    VMWorkloadSpec,
    VMWorkloadStatus,
)  # fmt: skip
from schedune.codes import intent as codes
from schedune.codes.row import Reason
from schedune.fleet.profile import HeldDisk
from schedune.launch.needs import ArtifactNeed, LaunchNeeds, VersionNeed
from schedune.launch.seed import SEED_DISK, objection_to_keys

DEFAULT_PREFERENCE: Final[Mapping[RuntimeClass, tuple[Backend, ...]]] = {
    RuntimeClass.VIRTUAL_MACHINE: (Backend.CLOUD_HYPERVISOR, Backend.QEMU),
    RuntimeClass.MICRO_VM: (Backend.FIRECRACKER, Backend.CLOUD_HYPERVISOR, Backend.QEMU),
}
"""Which backends are tried, in order, when the intent names none (design.md 2)."""


@dataclass(frozen=True)
class Intent:
    """The validated meaning of a VMWorkload's spec."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    spec: VMWorkloadSpec
    memory_bytes: int
    backends: tuple[Backend, ...]
    needs: LaunchNeeds
    demands: str
    """What is asked of nodes, in canonical form: intents that share it share their answers."""
    generation: int = 0
    """Of the workload as it was written."""
    history: Sequence[Attempt] = field(default_factory=tuple)
    homes: Sequence[PersistentDiskHome] = field(default_factory=tuple)
    """Where the Persistent disks were last known to be."""
    namespace_uid: str = ""
    """UID of the namespace; "": not known, so that its name has to do."""

    @property
    def vcpus(self) -> int:
        """Virtual CPUs asked for."""
        return self.spec.resources.vcpus

    @property
    def reserves(self) -> bool:
        """Whether a placement of it holds anything on its node: dry runs do not."""
        return self.spec.launch_mode is LaunchMode.EXECUTE

    @property
    def acceleration(self) -> Acceleration:
        """KVM or Emulated."""
        return self.spec.acceleration

    def owns(self, held: HeldDisk) -> bool:
        """Say whose a disk is; a namespace made anew under its old name has none."""
        if held.workload != self.name:
            return False
        if self.namespace_uid:
            return held.namespace_uid == self.namespace_uid
        return held.namespace == self.namespace

    @property
    def persistent_disks(self) -> Sequence[str]:
        """Names of the disks that outlive every placement."""
        disks = self.spec.disks
        return [one.name for one in disks if one.access is DiskAccess.PERSISTENT]

    @property
    def architecture(self) -> Architecture:
        """amd64, arm64 or Any."""
        return self.spec.architecture

    def version_of(self, backend: Backend) -> VersionNeed:
        """Return the versions demanded of a backend."""
        for demand in self.spec.backend.versions if self.spec.backend else ():
            if demand.name is backend:
                return VersionNeed(demand.minimum, demand.exact)
        return VersionNeed()


Refused = tuple[Reason, ...]
"""Why an object cannot be served as written; never empty."""


def read_workload(raw: Mapping[str, object]) -> VMWorkload | Refused:
    """Read an object of the API server; what slipped through its schema is a Reason."""
    readable = {key: value for key, value in raw.items() if key != "status"}
    try:
        return VMWorkload.model_validate(readable)
    except ValidationError as error:
        return tuple(
            Reason(
                codes.INVALID_FIELD,
                subject=".".join(str(part) for part in detail["loc"]),
                observed=f"got {str(detail['input'])[:80]!r}",
                required=detail["msg"],
            )
            for detail in error.errors()[:8]
        )


def parse_intent(workload: VMWorkload, held: VMWorkloadStatus | None = None) -> Intent | Refused:
    """Return what the workload asks for, or everything in it that cannot be meant.

    ``held`` is what is remembered of it: earlier attempts, and where its disks are.
    """
    refusals = tuple(_nonsense(workload.spec))
    if refusals:
        return refusals
    spec = workload.spec
    chosen = spec.backend.preference if spec.backend and spec.backend.preference else None
    return Intent(
        namespace=workload.metadata.namespace,
        name=workload.metadata.name,
        uid=workload.metadata.uid,
        labels=workload.metadata.labels,
        spec=spec,
        memory_bytes=parse_bytes(spec.resources.memory),
        backends=tuple(chosen) if chosen else DEFAULT_PREFERENCE[spec.runtime_class],
        needs=_needs(spec),
        demands=_demands(workload),
        generation=workload.metadata.generation,
        history=tuple(held.history) if held else (),
        homes=tuple(held.persistent_disks) if held else (),
    )


def unsupported_fields(spec: VMWorkloadSpec) -> Refused:
    """Return every field that is set and whose function is still missing; none is ignored."""
    return tuple(
        Reason(codes.FIELD_NOT_SUPPORTED_YET, _short(value), subject=path)
        for path, value in _later_fields(spec)
        if value
    )


_DEMANDS: Final = (
    "runtimeClass", "architecture", "resources", "acceleration", "boot", "disks", "networks",
    "backend", "placement", "readiness", "launchMode",
)  # fmt: skip


def _demands(workload: VMWorkload) -> str:
    spec = workload.spec.render()
    asked = {name: spec.get(name) for name in _DEMANDS}
    return json.dumps([workload.metadata.namespace, asked], sort_keys=True, separators=(",", ":"))


def _needs(spec: VMWorkloadSpec) -> LaunchNeeds:
    boot = (
        (spec.boot.kernel, ArtifactKind.KERNEL),
        (spec.boot.initrd, ArtifactKind.INITRD),
        (spec.boot.firmware, ArtifactKind.FIRMWARE),
    )
    files = [ArtifactNeed(one.artifact, kind, one.sha256) for one, kind in boot if one is not None]
    for disk in spec.disks:
        name = disk.source.artifact or disk.source.host_path
        if name is not None:
            is_path = disk.source.artifact is None
            made = disk.name if disk.access is DiskAccess.PERSISTENT else ""
            files.append(ArtifactNeed(name, ArtifactKind.DISK, None, disk.format, is_path, made))
    pages = spec.resources.hugepages
    return LaunchNeeds(
        runtime_class=spec.runtime_class,
        acceleration=spec.acceleration,
        vcpus=spec.resources.vcpus,
        artifacts=tuple(files),
        disk_formats=tuple(disk.format for disk in spec.disks),
        network_types=tuple(network.type for network in spec.networks),
        probe=_probe(spec),
        page_size=parse_bytes(pages) if pages else 0,
        memory_bytes=parse_bytes(spec.resources.memory),
    )


MINIMUM_MEMORY: Final = 16 * 2**20
MOST_DISK: Final = 2**44
"""Bytes of a new disk, 16Ti: the largest file of ext4. One refcount block counts all clusters of an
empty qcow2 image up to far beyond it."""


def _nonsense(spec: VMWorkloadSpec) -> Iterator[Reason]:
    try:
        memory = parse_bytes(spec.resources.memory)
    except QuantityError as error:
        yield Reason(
            codes.INVALID_FIELD, spec.resources.memory, str(error), "spec.resources.memory"
        )
    else:
        if memory < MINIMUM_MEMORY:
            advice = "must be at least 16Mi; did you leave out a unit?"
            yield Reason(
                codes.INVALID_FIELD, spec.resources.memory, advice, "spec.resources.memory"
            )
    preference = spec.backend.preference if spec.backend and spec.backend.preference else []
    if len(set(preference)) != len(preference):
        yield Reason(
            codes.INVALID_FIELD,
            ", ".join(preference),
            "must not name a backend twice",
            "spec.backend.preference",
        )
    yield from _bad_pages(spec)
    yield from _bad_disks(spec)
    ranks = [one.boot_order for one in spec.disks if one.boot_order is not None]
    if len(set(ranks)) != len(ranks):
        told = ", ".join(map(str, ranks))
        yield Reason(
            codes.INVALID_FIELD, told, "must not give a rank twice", "spec.disks[].bootOrder"
        )
    yield from _bad_probe(spec)
    yield from _bad_guest(spec)
    yield from _bad_networks(spec)
    if spec.boot.command_line and not spec.boot.kernel:
        yield Reason(
            codes.INVALID_FIELD,
            spec.boot.command_line,
            "needs `boot.kernel`",
            "spec.boot.commandLine",
        )


def _probe(spec: VMWorkloadSpec) -> Probe | None:
    """Return how the guest is asked, if it is and the intent says how."""
    asked = spec.readiness.level == "Guest" and spec.readiness.probe
    return asked.type if asked else None


def _bad_probe(spec: VMWorkloadSpec) -> Iterator[Reason]:
    """A port of the guest is asked through a port of the node, or not at all."""
    probe = spec.readiness.probe
    if probe is None or probe.type is not Probe.TCP:
        return
    forwards = [one for net in spec.networks if net.user for one in net.user.port_forwards]
    led_to = [one.guest_port for one in forwards if one.protocol == "TCP"]
    if probe.port not in led_to:
        advice = "needs a port forward (TCP) to this guestPort in a network of type User"
        where = "spec.readiness.probe.port"
        yield Reason(codes.INVALID_FIELD, str(probe.port), advice, where)


def _bad_pages(spec: VMWorkloadSpec) -> Iterator[Reason]:
    """Huge pages hold the guest's memory exactly, or not at all."""
    text = spec.resources.hugepages
    if text is None:
        return
    try:
        size, memory = parse_bytes(text), parse_bytes(spec.resources.memory)
    except QuantityError as error:
        yield Reason(codes.INVALID_FIELD, text, str(error), "spec.resources.hugepages")
        return
    if size == 0 or memory % size:
        advice = f"must divide spec.resources.memory ({spec.resources.memory})"
        yield Reason(codes.INVALID_FIELD, text, advice, "spec.resources.hugepages")


def _bad_disks(spec: VMWorkloadSpec) -> Iterator[Reason]:
    """A new disk has a size that its image can have."""
    for disk in spec.disks:
        if disk.source.empty is None:
            continue
        text, where = disk.source.empty.size, "spec.disks[].source.empty.size"
        try:
            size = parse_bytes(text)
        except QuantityError as error:
            yield Reason(codes.INVALID_FIELD, text, str(error), where)
            continue
        if not 1 <= size <= MOST_DISK:
            advice = f"must be a byte at least and 16Ti at most (disk {disk.name})"
            yield Reason(codes.INVALID_FIELD, text, advice, where)


def _bad_guest(spec: VMWorkloadSpec) -> Iterator[Reason]:
    """What is told to the guest can be written down, and its disk has a name of its own."""
    if spec.guest is None:
        return
    keys = spec.guest.ssh_authorized_keys
    objection = objection_to_keys(keys.inline or []) if keys else None
    if objection:
        advice = "must be public keys, one an entry"
        yield Reason(codes.INVALID_FIELD, objection, advice, "spec.guest.sshAuthorizedKeys.inline")
    if any(disk.name == SEED_DISK for disk in spec.disks):
        advice = "is the name of the disk that carries spec.guest; choose another one"
        yield Reason(codes.INVALID_FIELD, SEED_DISK, advice, "spec.disks[].name")


def _bad_networks(spec: VMWorkloadSpec) -> Iterator[Reason]:
    """Two cards with one address, or two ways into the guest from one port, cannot both work."""
    named = Counter(one.tap.mac_address for one in spec.networks if one.tap)
    for address, count in named.items():
        if address is not None and count > 1:
            where = "spec.networks[].tap.macAddress"
            yield Reason(codes.INVALID_FIELD, address, "must not be given to two cards", where)
    forwards = (one for net in spec.networks if net.user for one in net.user.port_forwards)
    ports = Counter((one.protocol, one.node_port) for one in forwards)
    for (protocol, port), count in ports.items():
        if count > 1:
            where = "spec.networks[].user.portForwards[].nodePort"
            advice = f"must not be given to two forwards of {protocol}"
            yield Reason(codes.INVALID_FIELD, str(port), advice, where)


def _later_fields(spec: VMWorkloadSpec) -> Sequence[tuple[str, object]]:
    """List every field whose function is still missing, with what the user wrote."""
    return (("spec.resources.hugepages", spec.resources.hugepages),)


def _short(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
