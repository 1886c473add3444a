"""What an import says aloud: what was lost, and what stands against it."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import VMWorkload

_LONGEST: Final = 80


class LossKind(StrEnum):
    """What became of a field."""

    DROPPED = "dropped"
    CHANGED = "changed"
    ADDED = "added"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Loss:
    """One difference in meaning between a document and what was made of it."""

    kind: LossKind
    field: str
    """As the document spells it; for what it does not tell, as the manifest does."""
    value: str
    """As it was written, or is written now; "" where nothing is."""
    outcome: str
    """What became of it, and why."""

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.kind.value} {self.field}{value}: {self.outcome}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document cannot be imported."""

    field: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field} = {self.value}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A document's meaning here, and its price."""

    manifest: VMWorkload | NodeTruth
    losses: tuple[Loss, ...]


Refused = tuple[Problem, ...]
"""Everything that stands against an import; never empty."""


@dataclass(slots=True)
class Notes:
    """Collects what the mappings of one document find."""

    losses: list[Loss] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def drop(self, name: str, value: object, why: str) -> None:
        """Say that a value reaches nothing here."""
        self.losses.append(Loss(LossKind.DROPPED, name, render_value(value), why))

    def change(self, name: str, value: object, outcome: str) -> None:
        """Say that a value means something else here."""
        self.losses.append(Loss(LossKind.CHANGED, name, render_value(value), outcome))

    def add(self, name: str, value: object, why: str) -> None:
        """Say that the document did not tell, and what is written for it."""
        self.losses.append(Loss(LossKind.ADDED, name, render_value(value), why))

    def miss(self, name: str, why: str) -> None:
        """Say what the document does not tell, and nobody writes for it."""
        self.losses.append(Loss(LossKind.MISSING, name, "", why))

    def refuse(self, name: str, value: object, remedy: str) -> None:
        """Say that a value stands against the import."""
        self.problems.append(Problem(name, render_value(value), remedy))


def render_value(value: object) -> str:
    """Show a hostile value on one line: printable ASCII, quoted, and cut."""
    try:
        text = json.dumps(value, ensure_ascii=True, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return cut(text.replace("\x7f", "\\u007f"))


def cut(text: str) -> str:
    """Shorten a text, and say so by three dots."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def join_path(path: str, name: str) -> str:
    """Name a field below a path; odd field names are quoted."""
    shown = name if name.isascii() and name.replace("_", "").isalnum() else render_value(name)
    return f"{path}.{shown}" if path else shown
