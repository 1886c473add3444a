"""What a comparison needs of a case: both answers, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class NotExpressibleError(Exception):
    """A Kubernetes API cannot carry this input (README 7); the message is the reason."""


@dataclass(frozen=True)
class Answers:
    """The normative fields of one case: what the original says, and what we say."""

    expected: Mapping[str, Any]
    ours: Mapping[str, Any]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What rules may look at beside the fields: our whole answer, how an import went."""


@dataclass(frozen=True)
class Result:
    """How one case came out."""

    failures: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Rules that allowed a difference."""
    skipped: str = ""

    @property
    def outcome(self) -> str:
        """In one word."""
        if self.skipped:
            return "skipped"
        if self.failures:
            return "failed"
        return "refined" if self.rules else "passed"
