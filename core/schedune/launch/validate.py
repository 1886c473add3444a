"""Launch validation on live facts, as the agent asks it right before a launch."""

from collections.abc import Iterator

from schedune.api.nodetruth import ArtifactKind, CapabilityState, NodeTruthStatus
from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.fleet.fleet import KVM_CAPABILITY
from schedune.launch.needs import ArtifactNeed, BackendNeed, judge_artifact, judge_backend


def validate_launch(launch: Launch, backend: Backend, facts: NodeTruthStatus) -> tuple[Reason, ...]:
    """Return everything that stands against this launch here; empty: it may go on."""
    return tuple(_objections(launch, backend, facts))


def _objections(launch: Launch, backend: Backend, facts: NodeTruthStatus) -> Iterator[Reason]:
    architecture = facts.cpu.architecture if facts.cpu else "unknown"
    if architecture != launch.architecture.value:
        yield Reason(codes.ARCHITECTURE_MISMATCH, architecture, launch.architecture.value)
    if launch.acceleration is Acceleration.KVM:
        yield from judge_kvm(facts)
    yield from judge_backend(BackendNeed(backend, launch.acceleration), facts)
    for reference, kind in (
        (launch.kernel, ArtifactKind.KERNEL),
        (launch.initrd, ArtifactKind.INITRD),
    ):
        if reference is not None:
            reason = judge_artifact(ArtifactNeed(reference.artifact, kind, reference.sha256), facts)
            if reason is not None:
                yield reason


def judge_kvm(facts: NodeTruthStatus) -> Iterator[Reason]:
    """Object unless the strong probe ran a guest under KVM."""
    found = next((one for one in facts.capabilities if one.name == KVM_CAPABILITY), None)
    state = found.state if found else CapabilityState.UNKNOWN
    observed = (found.message or found.reason_code) if found else "the node has not said"
    match state:
        case CapabilityState.SUPPORTED:
            return
        case CapabilityState.UNSUPPORTED:
            yield Reason(codes.KVM_MISSING, observed, "a KVM that runs guests")
        case CapabilityState.UNAVAILABLE:
            yield Reason(codes.KVM_UNAVAILABLE, observed, "a KVM that runs guests")
        case CapabilityState.UNKNOWN:
            yield Reason(codes.KVM_UNKNOWN, observed, "a KVM that runs guests")
