"""What a launch needs of a node, for each backend: one list, asked everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schedune.api.nodetruth import Artifact, ArtifactKind, BackendFact, NodeTruthStatus
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason, Row

LAUNCHABLE: Final = (Backend.QEMU,)
"""Backends that this version has an adapter for."""
QEMU_MACHINES: Final = {"amd64": "q35", "arm64": "virt"}
QEMU_DEVICES: Final = ("virtio-serial-pci", "virtserialport", "pvpanic-pci")
"""Devices of every launch: the readiness port and the witness of panics."""


@dataclass(frozen=True, slots=True)
class ArtifactNeed:
    """One file that a launch uses."""

    name: str
    kind: ArtifactKind
    sha256: str | None

    def __str__(self) -> str:
        return f"{self.kind.value.lower()} '{self.name}'"


@dataclass(frozen=True, slots=True)
class BackendNeed:
    """What is asked of the VMM's binary."""

    backend: Backend
    acceleration: Acceleration
    minimum: str | None = None
    exact: str | None = None


def judge_artifact(need: ArtifactNeed, facts: NodeTruthStatus) -> Reason | None:
    """Return what stands against using this artefact here, if anything does."""
    found = next((one for one in facts.artifacts if one.name == need.name), None)
    if found is None:
        return _absent(need, facts)
    if found.kind is not need.kind:
        return Reason(
            codes.ARTIFACT_KIND_MISMATCH, f"a {found.kind.value}", f"a {need.kind.value}", str(need)
        )
    if need.sha256 is not None and found.sha256 != need.sha256:
        return Reason(
            codes.ARTIFACT_DIGEST_MISMATCH, found.sha256 or "unknown", need.sha256, str(need)
        )
    return _judge_architecture(need, found, facts)


def _absent(need: ArtifactNeed, facts: NodeTruthStatus) -> Reason:
    if facts.artifacts_truncated:
        hidden = f"{facts.artifacts_truncated} files are not listed"
        return Reason(codes.ARTIFACT_UNKNOWN, hidden, f"an artefact named {need.name}", str(need))
    listed = f"absent; {len(facts.artifacts)} artefacts are there"
    return Reason(codes.ARTIFACT_MISSING, listed, f"an artefact named {need.name}", str(need))


def _judge_architecture(
    need: ArtifactNeed, found: Artifact, facts: NodeTruthStatus
) -> Reason | None:
    """Kernels must prove their architecture; other files may be without one."""
    node = facts.cpu.architecture if facts.cpu else ""
    if found.architecture == node:
        return None
    if found.architecture == "Unknown":
        if need.kind is not ArtifactKind.KERNEL:
            return None
        return Reason(codes.ARTIFACT_ARCHITECTURE_UNKNOWN, "Unknown", node, str(need))
    return Reason(codes.ARTIFACT_ARCHITECTURE_MISMATCH, found.architecture, node, str(need))


def judge_backend(need: BackendNeed, facts: NodeTruthStatus) -> Iterator[Reason]:
    """Give everything that stands against this backend here."""
    if need.backend not in LAUNCHABLE:
        launchable = ", ".join(LAUNCHABLE)
        yield Reason(
            codes.BACKEND_NOT_SUPPORTED_YET, need.backend.value, launchable, need.backend.value
        )
        return
    architecture = facts.cpu.architecture if facts.cpu else ""
    binary = _binary(need.backend, architecture, facts)
    if binary is None:
        wanted = f"QEMU for {architecture or 'a known architecture'}"
        yield Reason(
            codes.BACKEND_MISSING, "no QEMU for its architecture", wanted, need.backend.value
        )
        return
    yield from _judge_version(need, binary)
    yield from _judge_features(need, binary, architecture)


def _binary(backend: Backend, architecture: str, facts: NodeTruthStatus) -> BackendFact | None:
    for one in facts.backends:
        if one.name is backend and one.architecture == architecture:
            return one
    return None


def _judge_version(need: BackendNeed, binary: BackendFact) -> Iterator[Reason]:
    def objection(row: Row, required: str) -> Reason:
        return Reason(row, binary.version or "unknown", required, need.backend.value)

    if binary.version is None:
        yield objection(codes.VERSION_UNKNOWN, need.exact or need.minimum or "a version")
        return
    if need.minimum and parse_version(binary.version) < parse_version(need.minimum):
        yield objection(codes.VERSION_TOO_OLD, need.minimum)
    if need.exact and parse_version(binary.version) != parse_version(need.exact):
        yield objection(codes.VERSION_MISMATCH, need.exact)


def _judge_features(need: BackendNeed, binary: BackendFact, architecture: str) -> Iterator[Reason]:
    name = need.backend.value
    if need.acceleration.value not in binary.accelerations:
        offered = ", ".join(binary.accelerations) or "nothing"
        yield Reason(codes.ACCELERATION_UNAVAILABLE, offered, need.acceleration.value, name)
    machine = QEMU_MACHINES.get(architecture, "")
    if machine not in binary.machine_types:
        yield Reason(codes.MACHINE_TYPE_MISSING, ", ".join(binary.machine_types[:4]), machine, name)
    missing = [device for device in QEMU_DEVICES if device not in binary.features]
    if missing:
        yield Reason(codes.DEVICE_MISSING, ", ".join(missing), ", ".join(QEMU_DEVICES), name)


def parse_version(text: str) -> tuple[int, int, int]:
    """Read ``major.minor[.patch]``; a missing patch is 0 (upstream.md 9.3)."""
    numbers = [int(part) for part in text.split(".")[:3]]
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch
