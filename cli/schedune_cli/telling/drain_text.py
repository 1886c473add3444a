"""A drain for people: who leaves for where, and who stays with what it lacks."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from schedune.telling.page import Page, Tone, counted
from schedune_cli.judging.drain import DrainedVM, DrainReport

_TONES: Final = {
    "Moves": Tone.GOOD, "Ends": Tone.GOOD, "Left": Tone.GOOD, "Leaves": Tone.DOUBTFUL,
    "Waits": Tone.DOUBTFUL, "Stays": Tone.BAD, "Unknown": Tone.BAD,
}  # fmt: skip
_HEADS: Final = {
    "Planned": "If {node} were drained now:",
    "Draining": "{node} is being drained.",
    "Drained": "{node} is drained: no VM is left on it.",
    "CalledOff": "The drain of {node} was called off: spec.scheduling is not Draining any more.",
}
_NOTHING: Final = "-"


def render_drain(told: DrainReport, page: Page) -> str:
    """Return the answer as text."""
    lines = page.paragraph(_HEADS[told.state].format(node=told.node_name))
    if not told.vms:
        return "\n".join([*lines, "", "No VM is concerned."]) + "\n"
    rows, tones = [("VM", "OUTCOME", "NODE", "WHY")], []
    for one in told.vms:
        for row in _rows(one):
            rows.append(row)
            tones.append(_TONES[one.outcome])
    counts = Counter(str(one.outcome) for one in told.vms)
    total = ", ".join(f"{counts[name]} {name.lower()}" for name in _TONES if counts[name])
    head = counted(len(told.vms), "VM")
    return "\n".join([*lines, "", *page.table(rows, tones), "", f"{head}: {total}."]) + "\n"


def _rows(one: DrainedVM) -> Iterator[tuple[str, str, str, str]]:
    yield f"{one.namespace}/{one.name}", one.outcome.lower(), one.after or _NOTHING, one.message
    if one.nearest:
        yield "", "", "", f"nearest: {one.nearest}"


def progress_line(one: DrainedVM) -> str:
    """Say in one line what has become of a VM."""
    where = f" (now on {one.after})" if one.after else ""
    why = f": {one.message}" if one.message else ""
    return f"{one.namespace}/{one.name} {one.outcome.lower()}{where}{why}"
