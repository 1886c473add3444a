"""What a row of the table says, and the reason that is made of one."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where in a workload's walk a code is given."""

    INTENT = "Intent"
    ELIGIBILITY = "Eligibility"
    LAUNCH_VALIDATION = "LaunchValidation"
    SCHEDULING = "Scheduling"
    EXECUTION = "Execution"
    RECOVERY = "Recovery"
    PROBE = "Probe"
    SUMMARY = "Summary"


class Actor(StrEnum):
    """Who can do something about it."""

    USER = "User"
    ADMINISTRATOR = "Administrator"
    NOBODY = "Nobody"


class Precedence(StrEnum):
    """Which cause becomes the headline: the first of these, so that it does not flap."""

    MISCONFIGURED = "1-Misconfigured"
    IMPOSSIBLE = "2-Impossible"
    NOT_NOW = "3-NotNow"
    NOT_YET_KNOWN = "4-NotYetKnown"
    INFORMATION = "5-Information"


@dataclass(frozen=True, slots=True)
class Row:
    """One code: what it says, in every form in which it is said."""

    code: str
    """SCREAMING_SNAKE, append-only: the identifier in data."""
    reason: str
    """CamelCase: the identifier in conditions and Events."""
    stage: Stage
    actor: Actor
    precedence: Precedence
    sentence: str
    """Template; may use {observed}, {required} and {subject}."""
    remedy: str
    """What the actor can do; "" where there is nothing to be done."""
    cause: str
    """For the reference page: what must be the case for the code to be given."""


def rejecting(stage: Stage) -> Callable[[str, str, Actor, Precedence, str, str, str], Row]:
    """Return how rows of a stage that rejects are written: sentence, remedy, cause at the end."""

    def row(
        code: str, reason: str, actor: Actor, precedence: Precedence,
        sentence: str, remedy: str, cause: str,
    ) -> Row:  # fmt: skip
        return Row(code, reason, stage, actor, precedence, sentence, remedy, cause)

    return row


def observed(code: str, reason: str, sentence: str, cause: str, remedy: str = "") -> Row:
    """Return a row with which the agent explains a fact; with a remedy it is for administrators."""
    actor = Actor.ADMINISTRATOR if remedy else Actor.NOBODY
    return Row(code, reason, Stage.PROBE, actor, Precedence.INFORMATION, sentence, remedy, cause)


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its evidence."""

    row: Row
    observed: str = ""
    required: str = ""
    subject: str = ""
    """What it is about: a node, an artefact, a field."""

    @property
    def message(self) -> str:
        """The sentence with its values."""
        return self.row.sentence.format(
            observed=self.observed, required=self.required, subject=self.subject
        )
