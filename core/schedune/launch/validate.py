"""Launch validation on live facts, as the agent asks it right before a launch."""

from collections.abc import Collection, Iterator

from schedune.api.nodetruth import ArtifactKind, BackendFact, NodeTruthStatus
from schedune.api.vmplacement import AcceptedVersions, Launch
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import eligibility as codes
from schedune.codes import launch as launch_codes
from schedune.codes import placement as placement_codes
from schedune.codes.row import Reason
from schedune.fleet.profile import ArtifactProfile, Facts, Interner, reduce_facts
from schedune.launch.artifacts import Found, judge_artifact
from schedune.launch.backends import judge_binary, judge_request
from schedune.launch.boot_memory import judge_memory
from schedune.launch.capabilities import KVM, judge_capability
from schedune.launch.needs import ArtifactNeed, BackendNeeds, VersionNeed, needs_of_launch
from schedune.launch.traits import TRAITS, TUN


def validate_launch(
    launch: Launch,
    backend: Backend,
    facts: NodeTruthStatus,
    versions: AcceptedVersions | None = None,
    held: Collection[str] = (),
) -> tuple[Reason, ...]:
    """Return everything that stands against this launch here; empty: it may go on.

    ``held`` are the Persistent disks that are here already: they need no artefact.
    """
    accepted = versions or AcceptedVersions()
    version = VersionNeed(accepted.minimum, accepted.exact)
    needs = BackendNeeds(backend, needs_of_launch(launch, held), version, tuple(accepted.floors))
    return tuple(_objections(launch, needs, reduce_facts(facts, Interner())))


def _objections(launch: Launch, needs: BackendNeeds, facts: Facts) -> Iterator[Reason]:
    if facts.architecture != launch.architecture.value:
        observed = facts.architecture or "unknown"
        yield Reason(codes.ARCHITECTURE_MISMATCH, observed, launch.architecture.value)
    if launch.acceleration is Acceleration.KVM:
        reason = judge_capability(KVM, facts)
        if reason is not None:
            yield reason
    yield from _judge_taps(launch, facts)
    # A file that is wrong comes before what only follows from it: the first one is told.
    for need in needs.launch.artifacts:
        reason = judge_artifact(need, find_artifact(need, facts), facts.architecture)
        if reason is not None:
            yield reason
    yield from judge_request(needs)
    yield from judge_pair(needs, facts)


def _judge_taps(launch: Launch, facts: Facts) -> Iterator[Reason]:
    """Give what stands between a node and the taps of a launch."""
    bridges = sorted({one.tap.bridge for one in launch.networks if one.tap is not None})
    reason = judge_capability(TUN, facts) if bridges else None
    if reason is not None:
        yield reason
    for bridge in bridges:
        if bridge not in facts.bridges and "networks" not in facts.failed_probes:
            held = ", ".join(sorted(facts.bridges)) or "none"
            yield Reason(placement_codes.BRIDGE_MISSING, held, bridge, bridge)


def judge_pair(needs: BackendNeeds, facts: Facts) -> Iterator[Reason]:
    """Give what stands between a node and a backend on it."""
    traits = TRAITS[needs.backend]
    said = facts.capabilities.get(traits.capability)
    state = (said.state, said.reason_code) if said else None
    yield from judge_binary(needs, facts.backends, facts.architecture, state)
    for name, row in traits.needs.items():
        reason = judge_capability(name, facts)
        if reason is not None:
            yield Reason(row, reason.observed, name, traits.label)
    kernel = needs.launch.kernel
    if kernel is not None:
        reason = judge_kernel(needs, find_artifact(kernel, facts), facts.architecture)
        if reason is not None:
            yield reason
        initrd = needs.launch.initrd
        reason = judge_memory(
            needs, find_artifact(kernel, facts), find_artifact(initrd, facts) if initrd else None
        )
        if reason is not None:
            yield reason


def judge_kernel(needs: BackendNeeds, found: Found, architecture: str) -> Reason | None:
    """Return what stands against booting this kernel with this backend; no kernel is no format."""
    traits = TRAITS[needs.backend]
    accepted = traits.kernel_formats.get(architecture)
    if not isinstance(found, ArtifactProfile) or found.kind != ArtifactKind.KERNEL:
        return None
    if accepted is None or found.format in accepted:
        return None
    wanted = ", ".join(sorted(accepted))
    return Reason(launch_codes.KERNEL_FORMAT_INVALID, found.format, wanted, traits.label)


def find_artifact(need: ArtifactNeed, facts: Facts) -> Found:
    """Return the file of that name, or how many are not listed."""
    found = facts.artifact(need.name)
    return found if found is not None else facts.artifacts_hidden


def machine_of(launch: Launch, backend: Backend, binary: BackendFact) -> str:
    """Return the machine type that this binary starts for a launch; "": it knows none."""
    offered = frozenset((*binary.machine_types, *binary.features))
    needs, architecture = needs_of_launch(launch), launch.architecture.value
    return TRAITS[backend].machine_for(needs, architecture, offered) or ""
