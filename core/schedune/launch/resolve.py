"""Resolve an intent for one node and backend: what is claimed, what is launched."""

from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import (
    AcceptedVersions,
    Launch,
    LaunchArtifact,
    LaunchDisk,
    LaunchReadiness,
)
from schedune.api.vmworkload import Acceleration, Architecture, ArtifactRef, Backend, Disk
from schedune.launch.intent import Intent
from schedune.launch.traits import TRAITS

KVM_READY_SECONDS: Final = 60
TCG_READY_SECONDS: Final = 180
"""How long a start may take when the intent does not say: emulation is slow."""


def resolve_launch(intent: Intent, architecture: Architecture, backend: Backend) -> Launch:
    """Return all that an agent on a node of this architecture needs for this backend."""
    spec = intent.spec
    probe = spec.readiness.probe
    return Launch(
        runtime_class=spec.runtime_class,
        architecture=architecture,
        acceleration=spec.acceleration,
        vcpus=intent.vcpus,
        memory=spec.resources.memory,
        hugepages=spec.resources.hugepages,
        kernel=_artifact(spec.boot.kernel),
        initrd=_artifact(spec.boot.initrd),
        command_line=spec.boot.command_line,
        firmware=_artifact(spec.boot.firmware),
        disks=[_disk(one) for one in spec.disks],
        networks=list(spec.networks),
        guest=spec.guest if spec.guest and spec.guest.render() else None,
        restart_policy=spec.restart_policy,
        readiness=LaunchReadiness(
            level=spec.readiness.level,
            probe=probe.type if probe else TRAITS[backend].probes[0],
            port=probe.port if probe else None,
            marker=probe.marker if probe else None,
            timeout_seconds=spec.readiness.timeout_seconds or _default_timeout(spec.acceleration),
        ),
        termination_grace_seconds=spec.termination_grace_seconds,
    )


def resolve_versions(
    intent: Intent, backend: Backend, policy: SchedulingPolicy
) -> AcceptedVersions | None:
    """Return what intent and policy demand of the version of this backend; None: nothing."""
    need = intent.version_of(backend)
    floors = [one for one in policy.version_floors if one.name is backend]
    if not floors and need.minimum is None and need.exact is None:
        return None
    return AcceptedVersions(minimum=need.minimum, exact=need.exact, floors=floors)


def _default_timeout(acceleration: Acceleration) -> int:
    return KVM_READY_SECONDS if acceleration is Acceleration.KVM else TCG_READY_SECONDS


def _artifact(reference: ArtifactRef | None) -> LaunchArtifact | None:
    if reference is None:
        return None
    return LaunchArtifact(artifact=reference.artifact, sha256=reference.sha256)


def _disk(disk: Disk) -> LaunchDisk:
    source = disk.source
    return LaunchDisk(
        name=disk.name,
        artifact=source.artifact,
        host_path=source.host_path,
        empty_size=source.empty.size if source.empty else None,
        format=disk.format,
        access=disk.access,
        retention=disk.retention,
        boot_order=disk.boot_order,
    )
