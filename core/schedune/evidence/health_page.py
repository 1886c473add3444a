"""The reference page of alarms, from the rules themselves."""

from typing import Final

from schedune.evidence.health import FORGOTTEN_AFTER, Rule
from schedune.evidence.health_rules import RULES

_INTRODUCTION: Final = f"""\
# Alarms

Generated from `core/schedune/evidence/health_rules.py` by `make crds`; do not edit.

What the agent measures on its node becomes alarms in `status.health` of its NodeTruth. An alarm
begins when its level has been at the onset, or beyond, for the time given, and ends when it has
been at the clear, or beyond; between the two nothing moves. It keeps the time of its onset. Of one
level only the gravest alarm is told. An alarm whose level nobody measures any more ends after
{int(FORGOTTEN_AFTER.total_seconds())} s.

The worst alarm makes the state: a `Warning` lets VMs come and is only liked less, an `Error` makes
the node `Degraded` and lets none come. What to do about each is in [reasons.md](reasons.md).

`heat_margin` is in degrees Celsius below the critical point, `clock_skew` in seconds,
`load_per_cpu` in processes; what is no percentage is a count otherwise, or 1 for yes.

| alarm | severity | level | begins at | for | ends at | for |
|---|---|---|---|---|---|---|
"""


def render_health_page() -> str:
    """Return the page: one line for each rule."""
    return _INTRODUCTION + "".join(_line(rule) for rule in RULES)


def _line(rule: Rule) -> str:
    beyond = (">=", "<=") if rule.onset > rule.clear else ("<=", ">=")
    return (
        f"| `{rule.row.code}` | {rule.severity} | `{rule.level}` "
        f"| {beyond[0]} {rule.onset:g} | {rule.onset_after_seconds} s "
        f"| {beyond[1]} {rule.clear:g} | {rule.clear_after_seconds} s |\n"
    )
