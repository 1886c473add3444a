"""How a node is: alarms that begin and end with hysteresis, and a state made of them.

An alarm begins when its level has been at the onset for a while, and ends when it has
been at the clear for a while. In the band between nothing moves, so that nothing flaps,
and an alarm keeps the time of its onset.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from schedune.api.nodetruth import Alarm, Health, HealthState
from schedune.codes.row import Reason, Row

MOST_ALARMS: Final = 32
"""Alarms that are told: the gravest, then the oldest."""
FORGOTTEN_AFTER: Final = timedelta(minutes=10)
"""An alarm ends when nobody has measured its level for so long."""

Severity = Literal["Info", "Warning", "Error", "Critical"]
_GRAVITY: Final[Mapping[Severity, int]] = MappingProxyType(
    {"Info": 0, "Warning": 1, "Error": 2, "Critical": 3}
)


@dataclass(frozen=True, slots=True)
class Level:
    """A measured level that may become an alarm: pressure, room, heat."""

    name: str
    """What is measured; the rules of alarms go by it."""
    value: float
    """In the unit of its rule."""
    subject: str = ""
    """Of which part, for example a path."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When one alarm begins and ends. An onset above the clear: high is bad; below it: low is."""

    level: str
    row: Row
    severity: Severity
    onset: float
    clear: float
    onset_after_seconds: int = 0
    """How long the level must have been at the onset."""
    clear_after_seconds: int = 60
    """How long it must have been at the clear."""

    def begins(self, value: float) -> bool:
        """Say whether a value is at the onset or beyond."""
        return value >= self.onset if self.onset > self.clear else value <= self.onset

    def ends(self, value: float) -> bool:
        """Say whether a value is at the clear or beyond."""
        return value <= self.clear if self.onset > self.clear else value >= self.clear


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one rule and one subject."""

    measured: datetime
    """When its level was last measured."""
    onset: datetime | None = None
    """Since when it is at the onset; for an alarm that is raised, when that began."""
    is_raised: bool = False
    calm: datetime | None = None
    """Since when a raised alarm is at its clear."""


Key = tuple[str, str, str]
"""Level and code of the rule, and the subject."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered from one judgement to the next."""

    watches: Mapping[Key, Watch] = field(default_factory=lambda: MappingProxyType({}))


def judge(
    previous: Memory, levels: Iterable[Level], rules: Sequence[Rule], now: datetime
) -> tuple[Health, Memory]:
    """Return how the node is, and what to remember.

    A level that is not measured changes nothing until it is forgotten.
    """
    measured = {
        (rule.level, rule.row.code, level.subject): (rule, level.value)
        for level in levels
        for rule in rules
        if rule.level == level.name and not math.isnan(level.value)
    }
    watches = {
        key: watch
        for key, watch in previous.watches.items()
        if key not in measured and now - watch.measured < FORGOTTEN_AFTER
    }
    for key, (rule, value) in measured.items():
        watches[key] = _look(rule, previous.watches.get(key, Watch(now)), value, now)
    kept = {key: watch for key, watch in watches.items() if watch.onset is not None}
    return _health(kept, rules), Memory(MappingProxyType(kept))


def _look(rule: Rule, watch: Watch, value: float, now: datetime) -> Watch:
    """Return the watch after one more measurement."""
    watch = replace(watch, measured=now)
    if watch.is_raised:
        if not rule.ends(value):
            return replace(watch, calm=None)
        calm = _since(watch.calm, now)
        if _lasted(calm, now, rule.clear_after_seconds):
            return Watch(now)
        return replace(watch, calm=calm)
    if not rule.begins(value):
        return Watch(now)
    onset = _since(watch.onset, now)
    return replace(watch, onset=onset, is_raised=_lasted(onset, now, rule.onset_after_seconds))


def _since(known: datetime | None, now: datetime) -> datetime:
    """Return when something began; a clock that was set back must not make it endless."""
    return now if known is None else min(known, now)


def _lasted(since: datetime, now: datetime, seconds: int) -> bool:
    return now - since >= timedelta(seconds=seconds)


def _health(watches: Mapping[Key, Watch], rules: Sequence[Rule]) -> Health:
    raised = [
        (rule, subject, watch)
        for rule in rules
        for (level, code, subject), watch in watches.items()
        if (level, code) == (rule.level, rule.row.code) and watch.is_raised
    ]
    gravest: dict[tuple[str, str], int] = {}
    for rule, subject, _ in raised:
        key = rule.level, subject
        gravest[key] = max(gravest.get(key, 0), _GRAVITY[rule.severity])
    # Of one level only the gravest alarm is told: it is one cause.
    alarms = [
        _alarm(rule, subject, watch)
        for rule, subject, watch in raised
        if _GRAVITY[rule.severity] == gravest[rule.level, subject]
    ]
    alarms.sort(key=lambda one: (-_GRAVITY[one.severity], one.onset_time, one.code, one.message))
    return Health(state=_state(alarms), alarms=alarms[:MOST_ALARMS])


def _alarm(rule: Rule, subject: str, watch: Watch) -> Alarm:
    return Alarm(
        code=rule.row.code,
        severity=rule.severity,
        onset_time=watch.onset or watch.measured,
        message=Reason(rule.row, subject).message,
    )


def _state(alarms: Sequence[Alarm]) -> HealthState:
    worst = max((_GRAVITY[one.severity] for one in alarms), default=0)
    if worst >= _GRAVITY["Error"]:
        return HealthState.DEGRADED
    return HealthState.WARNING if worst == _GRAVITY["Warning"] else HealthState.HEALTHY
