"""``status.why`` of an undecided or placed workload: padded lines, a table for people."""

from typing import Final

from schedune.api.text import plain_line
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline, would_change

MOST_LINES: Final = 12
_Row = tuple[str, str, str, str]


def why_lines(explanation: Explanation) -> list[str]:
    """Render the decision in at most 12 lines of at most 118 columns."""
    decision = explanation.decision
    rows: list[_Row] = []
    for row in decision.ranking[:3].tolist():
        detail = f"{decision.backend_on(row).value}, score {decision.scores[row]}"
        verdict = "chosen" if row == decision.chosen else "eligible"
        rows.append((decision.node(row).name, verdict, "-", detail))
    told = explanation.rejected[:MOST_LINES].tolist()
    for row in told:
        rows += [
            (decision.node(row).name, "rejected", cause.reason.row.code, cause.reason.message)
            for cause in explanation.causes(row)
        ]
    hidden = len(explanation.rejected) - len(told)
    return _table(f"{headline(explanation)}.", rows, hidden, _advice(explanation))


def _advice(explanation: Explanation) -> str | None:
    if explanation.decision.chosen is not None or not len(explanation.rejected):
        return None
    row = int(explanation.rejected[0])
    causes = explanation.causes(row)
    return f"Nearest: {explanation.decision.node(row).name} if {would_change(causes)}."


def _table(first: str, rows: list[_Row], hidden: int, last: str | None) -> list[str]:
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
