"""Is a file that a launch uses on the node, and what it must be?"""

from schedune.api.nodetruth import ArtifactKind
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.evidence.findings import CONFLICT
from schedune.fleet.profile import ArtifactProfile
from schedune.launch.needs import ArtifactNeed

Found = ArtifactProfile | int
"""The file, or how many files of the node's are not listed."""


def judge_artifact(need: ArtifactNeed, found: Found, architecture: str) -> Reason | None:
    """Return what stands against using this artefact here, if anything does."""
    if not isinstance(found, ArtifactProfile):
        return _absent(need, found)
    if found.refusal is not None or found.kind == ArtifactKind.UNKNOWN:
        return _refused(need, found.kind, found.refusal or "unknown")
    if found.kind != need.kind.value:
        return Reason(
            codes.ARTIFACT_KIND_MISMATCH, f"a {found.kind}", f"a {need.kind.value}", str(need)
        )
    if need.sha256 is not None and found.sha256 != need.sha256:
        return Reason(codes.ARTIFACT_DIGEST_MISMATCH, _digest(found), need.sha256, str(need))
    if need.format is not None and found.format != need.format.value:
        return Reason(codes.ARTIFACT_FORMAT_MISMATCH, found.format, need.format.value, str(need))
    return _judge_architecture(need, found, architecture)


def _absent(need: ArtifactNeed, hidden: int) -> Reason:
    if need.is_path:
        return Reason(
            codes.ARTIFACT_UNKNOWN,
            "it is not listed",
            "a file right below an image root",
            str(need),
        )
    wanted = f"an artefact named {need.name}"
    if hidden:
        return Reason(codes.ARTIFACT_UNKNOWN, f"{hidden} files are not listed", wanted, str(need))
    return Reason(codes.ARTIFACT_MISSING, "absent", wanted, str(need))


def _refused(need: ArtifactNeed, kind: str, why: str) -> Reason:
    if kind == ArtifactKind.UNKNOWN:
        return Reason(codes.ARTIFACT_UNRECOGNISED, why, f"a {need.kind.value}", str(need))
    return Reason(codes.ARTIFACT_REFUSED, why, "a file that stands alone", str(need))


def _digest(found: ArtifactProfile) -> str:
    if found.sha256 is not None:
        return found.sha256
    why = found.sha256_missing
    return f"unknown ({why})" if why else "unknown"


def _judge_architecture(
    need: ArtifactNeed, found: ArtifactProfile, architecture: str
) -> Reason | None:
    """Kernels must prove their architecture; other files may be without one."""
    if found.architecture == architecture or _runs(need, found, architecture):
        return None
    if found.architecture == CONFLICT:
        observed = found.conflict or CONFLICT
        wanted = architecture or "unknown"
        return Reason(codes.ARTIFACT_ARCHITECTURE_CONFLICT, observed, wanted, str(need))
    if found.architecture == "Unknown":
        if need.kind is not ArtifactKind.KERNEL:
            return None
        return Reason(codes.ARTIFACT_ARCHITECTURE_UNKNOWN, "Unknown", architecture, str(need))
    return Reason(
        codes.ARTIFACT_ARCHITECTURE_MISMATCH,
        found.architecture,
        architecture or "unknown",
        str(need),
    )


def _runs(need: ArtifactNeed, found: ArtifactProfile, architecture: str) -> bool:
    """Say whether it is a 32-bit userspace: a 64-bit kernel of x86 runs it."""
    is_kernel = need.kind is ArtifactKind.KERNEL
    return not is_kernel and (found.architecture, architecture) == ("386", "amd64")
