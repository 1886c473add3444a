"""A family of probes: related facts, observed together within a deadline.

Whatever goes wrong in one family makes its facts unknown, and no others.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from schedune.api.nodetruth import Capability, CapabilityState, ProbeRun
from schedune.api.text import shorten
from schedune.codes import probes as codes
from schedune.codes.row import Reason, Row
from schedune.evidence.health import Level

MOST_SHOWN: Final = 200
"""Characters of an observation that are told."""
MOST_UNREAD: Final = 4
"""Unreadable files of one family that are told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One capability as it was just observed."""

    name: str
    state: CapabilityState
    row: Row
    observed: str = ""
    """What was seen, in words: fills the row's sentence."""
    value: str | None = None
    """What was seen, as a value."""
    source: str = ""
    """Where: a file, a device, a binary."""
    method: str = ""
    """How."""
    stale_after_seconds: int | None = None

    def at(self, now: datetime) -> Capability:
        """Return it as the truth holds it."""
        return Capability(
            name=self.name,
            state=self.state,
            reason_code=self.row.code,
            value=shorten(self.value, 256) if self.value is not None else None,
            source=shorten(self.source, 256),
            method=shorten(self.method, 256),
            observed_time=now,
            stale_after_seconds=self.stale_after_seconds,
            message=Reason(self.row, shorten(self.observed, MOST_SHOWN)).message,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What one family adds to the truth."""

    facts: Mapping[str, object] = field(default_factory=dict)
    """Fields of NodeTruthStatus by their Python names."""
    answers: Sequence[Answer] = ()
    levels: Sequence[Level] = ()
    unread: Sequence[str] = ()
    """Files that were there and told nothing, and why: what they would say is unknown."""


def join(parts: Sequence[Part]) -> dict[str, object]:
    """Put the facts of families together: a list to which several add is theirs in turn."""
    joined: dict[str, object] = {}
    for part in parts:
        for name, value in part.facts.items():
            held = joined.get(name)
            if isinstance(held, list) and isinstance(value, list):
                joined[name] = [*held, *value]
            else:
                joined[name] = value
    return joined


class Family(Protocol):
    """One family of probes; remembers between rounds what need not be asked again."""

    @property
    def name(self) -> str:
        """Return its name in ``status.probes``."""
        ...

    @property
    def deadline_s(self) -> float:
        """Return the seconds after which it is given up."""
        ...

    @property
    def answers_for(self) -> Sequence[str]:
        """Return the capabilities that it answers for: Unknown when it fails."""
        ...

    async def __call__(self) -> Part:
        """Observe.

        Raises:
            Exception: any; the facts of this family are unknown then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a family added, and the record of its run."""

    part: Part
    run: ProbeRun


async def observe(family: Family) -> Outcome:
    """Run one family to its end or to its deadline."""
    started = time.monotonic()
    row: Row | None = None
    message, part = "", Part()
    try:
        async with asyncio.timeout(family.deadline_s):
            part = await family()
    except TimeoutError:
        row, message = codes.PROBE_TIMED_OUT, f"{family.name} after {family.deadline_s:g} s"
    except Exception as error:  # noqa: BLE001 - the top of a probe: its facts become Unknown
        row, message = codes.PROBE_FAILED, f"{family.name}: {type(error).__name__}: {error}"
    if row is not None:
        part = Part(answers=[_unknown(name, row, message) for name in family.answers_for])
    run = ProbeRun(
        name=family.name,
        outcome=_OUTCOMES[row],
        reason_code=row.code if row else None,
        duration_milliseconds=int((time.monotonic() - started) * 1000),
        unread=[shorten(one, 128) for one in part.unread[:MOST_UNREAD]],
    )
    return Outcome(part, run)


def _unknown(name: str, row: Row, message: str) -> Answer:
    return Answer(name, CapabilityState.UNKNOWN, row, message)


_OUTCOMES: Final = {
    None: "Succeeded",
    codes.PROBE_FAILED: "Failed",
    codes.PROBE_TIMED_OUT: "TimedOut",
}
