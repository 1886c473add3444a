"""A simulation for people: what would move, what would strand, and why."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from schedune.telling.page import Page, Tone
from schedune_cli.judging.simulation import NOWHERE, SimulatedFate, Simulation

_TONES: Final = {
    "Stays": Tone.GOOD, "Moves": Tone.GOOD, "Placed": Tone.GOOD, "Ends": Tone.GOOD,
    "Rests": Tone.GOOD, "Waits": Tone.DOUBTFUL, "Stranded": Tone.BAD, "Refused": Tone.BAD,
    "Unknown": Tone.BAD,
}  # fmt: skip
_NOTHING: Final = "-"


def render_simulation(told: Simulation, page: Page) -> str:
    """Return the answer as text."""
    changes = "; ".join(told.changes) or "nothing is changed"
    when = f"{told.time:%Y-%m-%dT%H:%M:%SZ}"
    lines = page.paragraph(f"Simulated for {when}: {changes}.")
    if not told.fates:
        return "\n".join([*lines, "", "No workload is concerned."]) + "\n"
    rows = [("WORKLOAD", "OUTCOME", "FROM", "TO", "WHY")]
    tones = []
    for fate in told.fates:
        for row in _rows(fate):
            rows.append(row)
            tones.append(_TONES[fate.outcome])
    counts = Counter(str(fate.outcome) for fate in told.fates)
    total = ", ".join(f"{counts[name]} {name.lower()}" for name in _TONES if counts[name])
    return "\n".join([*lines, "", *page.table(rows, tones), "", f"{total}."]) + "\n"


def _rows(fate: SimulatedFate) -> Iterator[tuple[str, str, str, str, str]]:
    name = f"{fate.namespace}/{fate.name}"
    outcome, before = fate.outcome.lower(), fate.before or _NOTHING
    if fate.after:
        yield name, outcome, before, fate.after, f"{fate.backend}{_otherwise(fate)}"
        return
    yield name, outcome, before, _NOTHING, f"{fate.message}{_otherwise(fate)}"
    if fate.nearest:
        yield "", "", "", "", f"nearest: {fate.nearest}"
    told = " and ".join(fate.changes)
    if told and not fate.nearest.endswith(f" if {told}"):
        yield "", "", "", "", f"smallest change: {told}"


def _otherwise(fate: SimulatedFate) -> str:
    if not fate.otherwise or fate.otherwise == fate.after:
        return ""
    if fate.otherwise == NOWHERE:
        return " (without the change too)" if not fate.after else " (waits without the change)"
    return f" (without the change: {fate.otherwise})"
