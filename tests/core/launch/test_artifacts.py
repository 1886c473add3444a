"""Which files a launch may use: what stands against one, whatever else is right with it."""

from dataclasses import replace

import pytest

from schedune.api.nodetruth import ArtifactKind
from schedune.api.vmplacement import Launch
from schedune.codes import eligibility as codes
from schedune.fleet.profile import ArtifactProfile
from schedune.launch.artifacts import judge_artifact
from schedune.launch.needs import ArtifactNeed, needs_of_launch
from schedune_testing.manifests import placement as a_placement

KERNEL = ArtifactNeed("file", ArtifactKind.KERNEL)
FOUND = ArtifactProfile("file", "Kernel", "BzImage", 1, 1, "amd64", None)


@pytest.mark.parametrize("kind", [ArtifactKind.INITRD, ArtifactKind.DISK])
def test_a_32_bit_userspace_runs_under_a_64_bit_kernel(kind: ArtifactKind) -> None:
    found = replace(FOUND, kind=kind.value, architecture="386")
    need = ArtifactNeed("file", kind)
    assert judge_artifact(need, found, "amd64") is None
    reason = judge_artifact(need, found, "arm64")
    assert reason is not None
    assert reason.row is codes.ARTIFACT_ARCHITECTURE_MISMATCH


def test_a_32_bit_kernel_is_no_kernel_of_a_64_bit_machine() -> None:
    reason = judge_artifact(KERNEL, replace(FOUND, architecture="386"), "amd64")
    assert reason is not None
    assert reason.row is codes.ARTIFACT_ARCHITECTURE_MISMATCH


@pytest.mark.parametrize("kind", list(ArtifactKind))
def test_a_conflict_stands_against_every_kind_of_file(kind: ArtifactKind) -> None:
    found = replace(FOUND, kind=kind.value, architecture="Conflict", conflict="this, but that")
    reason = judge_artifact(ArtifactNeed("file", kind), found, "amd64")
    assert reason is not None
    if kind is not ArtifactKind.UNKNOWN:
        assert reason.row is codes.ARTIFACT_ARCHITECTURE_CONFLICT
        assert "this, but that" in reason.message


@pytest.mark.parametrize("refusal", [None, "a FIFO"])
def test_a_file_of_unknown_kind_is_never_used(refusal: str | None) -> None:
    reason = judge_artifact(KERNEL, replace(FOUND, kind="Unknown", refusal=refusal), "amd64")
    assert reason is not None
    assert reason.row is codes.ARTIFACT_UNRECOGNISED
    assert reason.observed == refusal or refusal is None


def test_a_refused_header_stands_against_a_file_that_is_right_otherwise() -> None:
    reason = judge_artifact(KERNEL, replace(FOUND, refusal="a backing file"), "amd64")
    assert reason is not None
    assert reason.row is codes.ARTIFACT_REFUSED


@pytest.mark.parametrize(
    ("missing", "told"), [(None, "unknown"), ("NotComputedYet", "unknown (NotComputedYet)")]
)
def test_a_pinned_digest_that_is_not_known_says_why(missing: str | None, told: str) -> None:
    need = replace(KERNEL, sha256="0" * 64)
    reason = judge_artifact(need, replace(FOUND, sha256_missing=missing), "amd64")
    assert reason is not None
    assert (reason.row, reason.observed) == (codes.ARTIFACT_DIGEST_MISMATCH, told)


def test_a_persistent_disk_that_is_there_needs_no_artefact() -> None:
    kept = {"name": "root", "artifact": "golden", "format": "Raw", "access": "Persistent"}
    told = a_placement()["spec"]["launch"]
    launch = Launch.model_validate({**told, "disks": [kept, {**kept, "name": "second"}]})
    needed = [one.made for one in needs_of_launch(launch, {"root"}).artifacts]
    assert "second" in needed
    assert "root" not in needed
    assert "root" in [one.made for one in needs_of_launch(launch).artifacts]
