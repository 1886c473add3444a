"""What was found in an image, and what it says together: agreement, conflict or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

UNKNOWN: Final = "Unknown"
CONFLICT: Final = "Conflict"
MOST_TEXT: Final = 200
"""Characters of evidence that are told of one file."""

Kind = Literal["Kernel", "Initrd", "Firmware", "Disk", "Unknown"]
_RUNS_UNDER: Final = {"386": "amd64", "arm": "arm64"}
"""A 32-bit userspace runs under the 64-bit kernel of its family: no conflict."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was read, where, and which architecture it proves."""

    detector: str
    where: str
    """Offset, field or file inside the image."""
    value: str
    architecture: str | None = None
    """As in kubernetes.io/arch; None: it proves none."""

    def __str__(self) -> str:
        return f"{self.detector}: {self.value} at {self.where}"


@dataclass(frozen=True, slots=True)
class ImageEvidence:
    """What the bytes of one file prove."""

    kind: Kind
    format: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    """What was not looked into, and why."""
    refusal: str = ""
    """Why nothing is launched from it, whatever its architecture."""
    virtual_size: int | None = None
    """Bytes as the guest sees them, where the header tells."""
    memory: int | None = None
    """Guest memory, from its first byte on, that a kernel is put into, where its header tells."""

    @property
    def architecture(self) -> str:
        """What all findings agree on, Conflict, or Unknown."""
        said = _said(self.findings)
        if not said:
            return UNKNOWN
        return said.pop() if len(said) == 1 else CONFLICT

    @property
    def text(self) -> str:
        """Tell the findings: those that disagree first."""
        pair = _disagreement(self.findings)
        if pair is not None:
            first, second = (f"{one} ({one.architecture})" for one in pair)
            return _shortened(f"{first}, but {second}")
        told = [*map(str, self.findings), *self.notes]
        return _shortened("; ".join(told) or "no known header")


def _said(findings: Iterable[Finding]) -> set[str]:
    said = {one.architecture for one in findings if one.architecture is not None}
    return {one for one in said if _RUNS_UNDER.get(one) not in said}


def _disagreement(findings: tuple[Finding, ...]) -> tuple[Finding, Finding] | None:
    said = _said(findings)
    claims = [one for one in findings if one.architecture in said]
    return next(
        ((a, b) for a, b in combinations(claims, 2) if a.architecture != b.architecture), None
    )


def _shortened(text: str) -> str:
    clean = "".join(one if one.isprintable() else "?" for one in text)
    return clean if len(clean) <= MOST_TEXT else clean[: MOST_TEXT - 3] + "..."


def unrecognised(form: str, why: str) -> ImageEvidence:
    """Return what is left to say of a file of which nobody can tell what it is."""
    return ImageEvidence("Unknown", form, refusal=_shortened(why))
