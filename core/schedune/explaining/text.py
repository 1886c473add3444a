"""Explanations for people: a table per workload, then what would have to change."""

from collections.abc import Iterator, Sequence
from typing import Final

from schedune.explaining.form import (
    Explanation,
    ExplanationList,
    NodeAnswer,
    NodeVerdict,
    Position,
    Relaxation,
    Repair,
    Verdict,
)
from schedune.telling.page import Page, Tone, counted, listed

MOST_NODES: Final = 12
"""Nodes that are shown of one workload, unless all are asked for."""
_TONES: Final = {
    NodeAnswer.CHOSEN: Tone.GOOD,
    NodeAnswer.ELIGIBLE: Tone.PLAIN,
    NodeAnswer.REJECTED: Tone.BAD,
}
_OUTCOMES: Final = {
    Verdict.ELIGIBLE: Tone.GOOD,
    Verdict.NO_ELIGIBLE_NODE: Tone.BAD,
    Verdict.REFUSED: Tone.BAD,
    Verdict.TRUTH_TOO_OLD: Tone.DOUBTFUL,
}


def render_text(told: ExplanationList, page: Page, *, every_node: bool = False) -> str:
    """Return the answer as text; what is wrong with the input is told beside it."""
    blocks = [render_workload(one, page, every_node=every_node) for one in told.items]
    blocks.append(_summary(told, page))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def render_workload(one: Explanation, page: Page, *, every_node: bool = False) -> list[str]:
    """Return the lines that tell of one workload."""
    name = f"{one.metadata.namespace}/{one.metadata.name}"
    where = place(one.position)
    lines = [f"{page.paint(name, Tone.TITLE)}  ({where})"]
    lines += [page.paint(line, _OUTCOMES[one.verdict]) for line in page.paragraph(_outcome(one))]
    if one.placed_on:
        told = f"A VM of it is on {one.placed_on} now; it is judged as if it were placed anew."
        lines += page.paragraph(told)
    for refusal in one.refusals:
        told = f"{place(refusal.position)}: {refusal.code}: {refusal.message}; {refusal.remedy}"
        lines += page.paragraph(told, "  ", "    ")
    if one.nodes:
        lines += ["", *_table(one, page, every_node=every_node)]
    return [*lines, *_ways(one, page), *_remedies(one, page)]


def _outcome(one: Explanation) -> str:
    if one.verdict is Verdict.ELIGIBLE:
        best = next(node for node in one.nodes if node.verdict is NodeAnswer.CHOSEN)
        return f"{best.node_name} is chosen ({best.backend}, score {best.score}). {one.message}."
    if one.verdict is Verdict.TRUTH_TOO_OLD:
        return f"{one.message[:1].upper()}{one.message[1:]}."
    if one.verdict is Verdict.REFUSED:
        counts = f"{one.nodes_eligible}/{one.nodes_evaluated} nodes could run the VM"
        return f"It is refused as it is written; otherwise {counts}."
    return f"No node can run it. {one.message}."


def place(position: Position) -> str:
    """Write where something stands, as compilers do."""
    return f"{position.file}:{position.line}" if position.line else position.file


def _table(one: Explanation, page: Page, *, every_node: bool) -> list[str]:
    shown = one.nodes if every_node else _shown(one.nodes)
    rows, tones = [("NODE", "VERDICT", "CODE", "WHY")], []
    for node in shown:
        for row in node_rows(node):
            rows.append(row)
            tones.append(_TONES[node.verdict])
    hidden = one.nodes_evaluated - len(shown)
    if hidden:
        rows.append((f"+ {hidden} more", "", "", "all of them: --all"))
    return page.table(rows, tones, "  ")


def _shown(nodes: list[NodeVerdict]) -> list[NodeVerdict]:
    """Leave room for both: why it can run where it can, and why not elsewhere."""
    eligible = [one for one in nodes if one.verdict is not NodeAnswer.REJECTED]
    rejected = nodes[len(eligible) :]
    most = max(MOST_NODES // 2, MOST_NODES - len(rejected))
    shown = eligible[:most]
    return [*shown, *rejected[: MOST_NODES - len(shown)]]


def node_rows(node: NodeVerdict) -> Iterator[tuple[str, str, str, str]]:
    """Give the lines of a table that tell of one node."""
    verdict = node.verdict.value.lower()
    if node.verdict is not NodeAnswer.REJECTED:
        yield node.node_name, verdict, "-", f"{node.backend}, score {node.score}"
    for number, cause in enumerate(node.objections):
        head = (node.node_name, verdict) if number == 0 else ("", "")
        yield *head, cause.code, cause.message


def _ways(one: Explanation, page: Page) -> list[str]:
    """Tell what would have to give; old facts tell nothing of that."""
    if one.verdict is Verdict.TRUTH_TOO_OLD:
        return []
    relaxations = [
        f"{'you' if way.actor == 'User' else 'an administrator'}: {' and '.join(way.changes)}"
        f" ({_frees(way)})"
        for way in one.relaxations
    ]
    cores = [
        " + ".join(core.demands) + (", even if all is repaired" if core.scope != "Now" else "")
        for core in one.cores
    ]
    repairs = [f"{repair.change} ({_frees(repair)})" for repair in one.repairs]
    more = page.paragraph("There are more ways than these.", "  ")
    return [
        *_section("Smallest changes that free nodes", relaxations, page),
        *_section("Together these exclude every node", cores, page),
        *_section("Single repairs that free most nodes", repairs, page),
        *(more if one.complete == "Capped" else ()),
    ]


def _frees(way: Relaxation | Repair) -> str:
    return f"{counted(way.nodes, 'node')}: {listed(way.sample_nodes, way.nodes)}"


def _section(title: str, points: Sequence[str], page: Page) -> list[str]:
    if not points:
        return []
    lines = ["", page.paint(f"  {title}", Tone.TITLE)]
    for point in points:
        lines += page.paragraph(f"- {point}", "  ", "    ")
    return lines


def _remedies(one: Explanation, page: Page) -> list[str]:
    """Say once for each code what a person can do; only where something has to be done."""
    told = [count for count in one.codes if count.remedy]
    if one.verdict in (Verdict.ELIGIBLE, Verdict.TRUTH_TOO_OLD) or not told:
        return []
    return _section("What can be done", [f"{one.code}: {one.remedy}" for one in told], page)


def _summary(told: ExplanationList, page: Page) -> list[str]:
    placed = sum(one.verdict is Verdict.ELIGIBLE for one in told.items)
    line = f"Workloads with a node: {placed} of {len(told.items)}"
    when = {f"{one.time:%Y-%m-%dT%H:%M:%SZ}" for one in told.items}
    line += f", judged for {when.pop()}" if when else ""
    problems = f"; {counted(len(told.problems), 'problem')} in the input" if told.problems else ""
    return page.paragraph(f"{line}{problems}.")
