"""Two recordings of truths compared, for people: what verdicts hang on first, noise counted."""

from collections.abc import Iterator
from datetime import datetime

from schedune.examination.difference_form import NodeChange, TruthDifference
from schedune.telling.page import Page, Tone, counted, printable

_PRESENCE = {"OnlyThen": "is gone", "OnlyNow": "is new"}


def render_truth_difference(told: TruthDifference, page: Page) -> str:
    """Return the comparison as text; nodes that are as they were are counted."""
    page = page.for_people()
    blocks = [[*_node(one, page)] for one in told.nodes if one.differs]
    blocks.append([*_summary(told, page)])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _node(one: NodeChange, page: Page) -> Iterator[str]:
    name = page.paint(printable(one.node_name), Tone.TITLE)
    if one.presence != "Both":
        yield f"{name} {_PRESENCE[one.presence]}"
        return
    yield name
    rows = [("VERDICTS", "FACT", "THEN -> NOW")]
    tones = []
    for word, tone, changes in (
        ("may change", Tone.BAD, one.decisive),
        ("unchanged", Tone.PLAIN, one.other),
    ):
        for number, change in enumerate(changes):
            rows.append(
                (word if number == 0 else "", change.path, f"{change.then} -> {change.now}")
            )
            tones.append(tone)
    yield from page.table(rows, tones, "  ")
    if one.noise:
        yield f"  besides: {counted(one.noise, 'difference')} in times, durations and repetitions"


def _summary(told: TruthDifference, page: Page) -> Iterator[str]:
    decisive = sum(bool(one.decisive) or one.presence != "Both" for one in told.nodes)
    differing = sum(one.differs for one in told.nodes)
    noise = sum(one.noise for one in told.nodes)
    yield from page.paragraph(
        f"Compared {_moment(told.then)} and {_moment(told.now)}: verdicts may change on {decisive}"
        f" of {counted(len(told.nodes), 'node')}; {differing - decisive} more"
        f" differ in facts that no verdict hangs on; {noise} differences"
        " in times, durations and repetitions are passed over."
    )


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else "an unknown time"
