"""Two recordings compared, for people: only what is answered otherwise, and what did it."""

from collections.abc import Iterator

from schedune.telling.page import Page, Tone, counted
from schedune_cli.judging.difference import Difference, DifferenceList, NodeDifference, NodeThen

_NOWHERE = "no node"


def render_difference(told: DifferenceList, page: Page) -> str:
    """Return the comparison as text."""
    times = f"{told.then:%Y-%m-%dT%H:%M:%SZ} and {told.now:%Y-%m-%dT%H:%M:%SZ}"
    blocks = [_workload(one, page) for one in told.items]
    changed = sum(bool(one.nodes) for one in told.items)
    of_all = f"{changed} of {counted(len(told.items), 'workload')}"
    blocks.append(page.paragraph(f"Compared {times}: answers changed for {of_all}."))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _workload(one: Difference, page: Page) -> list[str]:
    lines = [page.paint(f"{one.metadata.namespace}/{one.metadata.name}", Tone.TITLE)]
    then, now = one.chosen_then or _NOWHERE, one.chosen_now or _NOWHERE
    if one.presence == "OnlyThen":
        return [*lines, *page.paragraph(f"Only then: {then}.")]
    if one.presence == "OnlyNow":
        return [*lines, *page.paragraph(f"Only now: {now}.")]
    same = f"{counted(one.unchanged, 'node')} answered as before"
    went = f"Chosen then and now: {now}" if then == now else f"Chosen then: {then}; now: {now}"
    lines += page.paragraph(f"{went}; {same}.")
    if one.nodes:
        rows = [("NODE", "WHEN", "VERDICT", "WHY")]
        tones = []
        for node in one.nodes:
            for row, tone in _rows(node):
                rows.append(row)
                tones.append(tone)
        lines += page.table(rows, tones, "  ")
    return lines


def _rows(node: NodeDifference) -> Iterator[tuple[tuple[str, str, str, str], Tone]]:
    for name, when, side in ((node.node_name, "then", node.then), ("", "now", node.now)):
        for number, why in enumerate(_why(side)):
            head = (name, when, side.verdict.lower()) if number == 0 else ("", "", "")
            yield (*head, why), Tone.PLAIN
    for number, fact in enumerate(node.facts):
        told = f"{fact.name}: {fact.then} -> {fact.now}"
        yield ("", "" if number else "because", "", told), Tone.DOUBTFUL


def _why(side: NodeThen) -> list[str]:
    return [f"{cause.code}: {cause.message}" for cause in side.causes] or ["-"]
