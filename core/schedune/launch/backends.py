"""Can a backend, as it is on a node, carry out a launch? Everything that stands against it."""

from collections.abc import Iterator

from schedune.api.nodetruth import CapabilityState
from schedune.api.quantity import render_bytes, render_needed
from schedune.api.scheduling_policy import VersionFloor
from schedune.api.vmworkload import Acceleration
from schedune.codes import launch as codes
from schedune.codes.row import Reason
from schedune.fleet.profile import BackendProfile
from schedune.launch.capabilities import State
from schedune.launch.needs import BackendNeeds
from schedune.launch.traits import TRAITS, Traits
from schedune.launch.version import judge_version, parse_version


def judge_request(need: BackendNeeds) -> Iterator[Reason]:
    """Give what stands against a backend wherever it is: the launch asks what it cannot do."""
    traits, launch = TRAITS[need.backend], need.launch
    if need.backend not in need.usable:
        usable = ", ".join(need.usable)
        yield Reason(
            codes.BACKEND_NOT_SUPPORTED_YET, need.backend.value, usable, need.backend.value
        )
    if launch.runtime_class not in traits.classes:
        classes = " or ".join(sorted(traits.classes))
        yield Reason(codes.BACKEND_CLASS, launch.runtime_class.value, classes, traits.label)
    if launch.acceleration is Acceleration.EMULATED and not traits.emulates:
        yield Reason(codes.EMULATION_IMPOSSIBLE, "KVM only", "Emulated", traits.label)
    if traits.most_vcpus is not None and launch.vcpus > traits.most_vcpus:
        yield Reason(codes.TOO_MANY_VCPUS, str(launch.vcpus), str(traits.most_vcpus), traits.label)
    if 0 < launch.memory_bytes < traits.least_memory:
        asked, least = render_needed(launch.memory_bytes), render_bytes(traits.least_memory)
        yield Reason(codes.MEMORY_TOO_SMALL, asked, least, traits.label)
    yield from _judge_boot(need, traits)
    yield from _judge_devices(need, traits)


def _judge_boot(need: BackendNeeds, traits: Traits) -> Iterator[Reason]:
    launch = need.launch
    if launch.kernel is None:
        if not launch.disk_formats:
            yield Reason(codes.NOTHING_TO_BOOT, "no disk", "a disk", traits.label)
        if not traits.boots_firmware:
            yield Reason(codes.ARTIFACT_MODEL_INVALID, "firmware", "a kernel", traits.label)
    elif traits.needs_root and not launch.disk_formats and not launch.has_initrd:
        yield Reason(codes.ARTIFACT_MODEL_INVALID, "a kernel alone", "a root", traits.label)


def _judge_devices(need: BackendNeeds, traits: Traits) -> Iterator[Reason]:
    launch = need.launch
    for kind in sorted({one for one in launch.network_types if one not in traits.networks}):
        wanted = ", ".join(sorted(traits.networks))
        yield Reason(codes.NETWORK_TYPE_INVALID, kind, wanted, traits.label)
    if launch.probe is not None and launch.probe not in traits.probes:
        wanted = ", ".join(traits.probes)
        yield Reason(codes.PROBE_IMPOSSIBLE, launch.probe.value, wanted, traits.label)
    for form in sorted({one for one in launch.disk_formats if one not in traits.disk_formats}):
        wanted = ", ".join(sorted(traits.disk_formats))
        yield Reason(codes.STORAGE_FORMAT_INVALID, form.value, wanted, traits.label)
    sizes = traits.page_sizes
    if launch.page_size and sizes is not None and launch.page_size not in sizes:
        wanted = ", ".join(map(render_bytes, sorted(sizes)))
        size = render_bytes(launch.page_size)
        yield Reason(codes.HUGEPAGES_UNSUPPORTED, size, wanted, traits.label)


def judge_binary(
    need: BackendNeeds,
    binaries: tuple[BackendProfile, ...],
    architecture: str,
    said: State,
) -> Iterator[Reason]:
    """Give what stands against the node's own binary: absent, unknown, too old, unable."""
    traits = TRAITS[need.backend]
    binary = next(
        (one for one in binaries if one.name is need.backend and one.architecture == architecture),
        None,
    )
    if binary is None:
        yield _absent(traits, architecture, said)
        return
    yield from _judge_version(need, binary, traits)
    yield from _judge_features(need, binary, architecture, traits)


def _absent(traits: Traits, architecture: str, said: State) -> Reason:
    wanted = f"{traits.label} for {architecture or 'a known architecture'}"
    if said is not None and said[0] in (CapabilityState.UNKNOWN, CapabilityState.UNAVAILABLE):
        return Reason(codes.BACKEND_UNKNOWN, said[1], wanted, traits.label)
    observed = f"no {traits.label} for its architecture"
    return Reason(traits.missing, observed, wanted, traits.label)


def _judge_version(need: BackendNeeds, binary: BackendProfile, traits: Traits) -> Iterator[Reason]:
    """Judge what the intent demands, then what the policy does."""
    said, label = binary.version or binary.version_line, traits.label
    minimum, exact = need.version.minimum, need.version.exact
    yield from judge_version(said, subject=label, minimum=minimum, exact=exact)
    for floor in _floors(need, said):
        for reason in judge_version(said, subject=label, minimum=floor.minimum):
            yield _below(floor, reason) if reason.row is codes.VERSION_TOO_OLD else reason


def _below(floor: VersionFloor, reason: Reason) -> Reason:
    if floor.disk_format is None:
        return Reason(codes.VERSION_BELOW_FLOOR, reason.observed, floor.minimum, reason.subject)
    wanted = f"{floor.minimum} or newer"
    return Reason(codes.STORAGE_FORMAT_INVALID, floor.disk_format.value, wanted, reason.subject)


def _floors(need: BackendNeeds, said: str) -> Iterator[VersionFloor]:
    """Give the floor for this binary's release line, else the general one, and the formats'."""
    mine = [one for one in need.floors if one.name is need.backend]
    found = parse_version(said) if said else None
    line = f"{found[0]}.{found[1]}" if found else None
    by_line = {one.line: one for one in mine if one.disk_format is None}
    general = by_line.get(line) or by_line.get(None)
    if general is not None:
        yield general
    for one in mine:
        if one.disk_format in need.launch.disk_formats:
            yield one


def _judge_features(
    need: BackendNeeds, binary: BackendProfile, architecture: str, traits: Traits
) -> Iterator[Reason]:
    asked = need.launch.acceleration.value
    if asked not in binary.accelerations and (traits.emulates or asked != "Emulated"):
        offered = ", ".join(sorted(binary.accelerations)) or "nothing"
        yield Reason(codes.ACCELERATION_UNAVAILABLE, offered, asked, traits.label)
    offered_here = binary.machine_types | binary.features
    machine = traits.machine_for(need.launch, architecture, offered_here)
    if machine is not None and machine not in binary.machine_types:
        offered = ", ".join(sorted(binary.machine_types)[:4]) or "none"
        yield Reason(codes.MACHINE_TYPE_MISSING, offered, machine, traits.label)
    wanted = traits.devices_for(need.launch)
    missing = [device for device in wanted if device not in binary.features]
    if missing:
        yield Reason(codes.DEVICE_MISSING, ", ".join(missing), ", ".join(wanted), traits.label)
