"""``status.why`` of an undecided or placed workload: padded lines, a table for people."""

from collections.abc import Sequence
from typing import Final

from schedune.api.text import plain_line
from schedune.api.vmworkload import Backend
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline, would_change

MOST_LINES: Final = 12
_MOST_ELIGIBLE: Final = 3
TableRow = tuple[str, str, str, str]


def why_lines(explanation: Explanation) -> list[str]:
    """Render the decision in at most 12 lines of at most 118 columns."""
    decision = explanation.decision
    rows = [
        _chosen_line(
            decision.node(row).name,
            decision.backend_on(row),
            int(decision.scores[row]),
            is_chosen=row == decision.chosen,
        )
        for row in decision.ranking[:_MOST_ELIGIBLE].tolist()
    ]
    told, hidden = _rejected_lines(explanation)
    return _table_of(f"{headline(explanation)}.", [*rows, *told], hidden, _advice(explanation))


def _chosen_line(node: str, backend: Backend, score: int, *, is_chosen: bool) -> TableRow:
    """Return what is told of an eligible node."""
    verdict = "chosen" if is_chosen else "eligible"
    return node, verdict, "-", f"{backend.value}, score {score}"


def _rejected_lines(explanation: Explanation) -> tuple[list[TableRow], int]:
    """Return what is told of the nearest rejected nodes, and how many others there are."""
    decision = explanation.decision
    told = explanation.rejected[:MOST_LINES].tolist()
    rows = [
        (decision.node(row).name, "rejected", cause.reason.row.code, cause.reason.message)
        for row in told
        for cause in explanation.causes(row)
    ]
    return rows, len(explanation.rejected) - len(told)


def _advice(explanation: Explanation) -> str | None:
    if explanation.decision.chosen is not None or not len(explanation.rejected):
        return None
    row = int(explanation.rejected[0])
    causes = explanation.causes(row)
    return f"Nearest: {explanation.decision.node(row).name} if {would_change(causes)}."


def _table_of(first: str, rows: Sequence[TableRow], hidden: int, last: str | None) -> list[str]:
    """Lay rows out under a headline, as many as fit; ``hidden`` further nodes are counted."""
    room = MOST_LINES - 2 - (1 if last else 0)
    if len(rows) > room or hidden:
        shown = rows[: room - 1]
        names = {row[0] for row in shown}
        more = len({row[0] for row in rows} - names) + hidden
        told = f"+ {more} more {'nodes' if more > 1 else 'node'}" if more else "+ more"
        rows = [*shown, (told, "", "", "all of them: kubectl schedune explain")]
    table = [("NODE", "VERDICT", "CODE", "WHY"), *rows] if rows else []
    widths = [max((len(row[column]) for row in table), default=0) for column in range(3)]
    lines = [first]
    lines += ["  ".join([*(row[c].ljust(widths[c]) for c in range(3)), row[3]]) for row in table]
    lines += [last] if last else []
    return [plain_line(line) for line in lines]
