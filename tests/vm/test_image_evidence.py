"""The lab's own kernel and initial RAM disk: real files prove what they are."""

import platform
from typing import Any

from schedune.api.nodetruth import Artifact, ArtifactKind

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def artifact(machine: Any, name: str) -> Artifact:
    return next(one for one in machine.facts.artifacts if one.name == name)


def test_a_distribution_s_kernel_proves_its_architecture_by_every_face(machine: Any) -> None:
    found = artifact(machine, "kernel")
    assert (found.kind, found.architecture) == (ArtifactKind.KERNEL, ARCHITECTURE)
    assert found.refusal is None
    assert "pe: machine" in found.evidence
    if ARCHITECTURE == "amd64":
        assert "e_machine 62 at 0x12 of its payload" in found.evidence


def test_the_lab_s_initrd_proves_its_architecture_by_its_busybox(machine: Any) -> None:
    found = artifact(machine, "initrd")
    assert (found.kind, found.architecture) == (ArtifactKind.INITRD, ARCHITECTURE)
    assert "at 0x12 of bin/busybox" in found.evidence
