"""Resolve an intent for one node and backend: what is claimed, what is launched."""

from typing import Final

from schedune.api.quantity import render_bytes
from schedune.api.vmplacement import Claim, Launch, LaunchArtifact, LaunchReadiness
from schedune.api.vmworkload import Acceleration, Architecture, ArtifactRef
from schedune.launch.intent import Intent
from schedune.launch.overhead import qemu_overhead

KVM_READY_SECONDS: Final = 60
TCG_READY_SECONDS: Final = 180
"""How long a start may take when the intent does not say: emulation is slow."""


def claim_for(intent: Intent) -> Claim:
    """Return what the VM holds on its node."""
    return Claim(
        vcpus=intent.vcpus,
        memory=intent.spec.resources.memory,
        overhead_memory=render_bytes(qemu_overhead(intent.vcpus, intent.acceleration)),
    )


def resolve_launch(intent: Intent, architecture: Architecture) -> Launch:
    """Return all that an agent on a node of this architecture needs."""
    spec = intent.spec
    return Launch(
        runtime_class=spec.runtime_class,
        architecture=architecture,
        acceleration=spec.acceleration,
        vcpus=intent.vcpus,
        memory=spec.resources.memory,
        kernel=_artifact(spec.boot.kernel),
        initrd=_artifact(spec.boot.initrd),
        command_line=spec.boot.command_line,
        restart_policy=spec.restart_policy,
        readiness=LaunchReadiness(
            level=spec.readiness.level,
            timeout_seconds=spec.readiness.timeout_seconds or _default_timeout(spec.acceleration),
        ),
        termination_grace_seconds=spec.termination_grace_seconds,
    )


def _default_timeout(acceleration: Acceleration) -> int:
    return KVM_READY_SECONDS if acceleration is Acceleration.KVM else TCG_READY_SECONDS


def _artifact(reference: ArtifactRef | None) -> LaunchArtifact | None:
    if reference is None:
        return None
    return LaunchArtifact(artifact=reference.artifact, sha256=reference.sha256)
