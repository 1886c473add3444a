"""``status.why`` of an undecided or placed workload: padded lines, a table for people."""

from typing import Final

from schedune.decision.decide import Decision
from schedune.decision.explain import nearest_rows
from schedune.decision.sentence import headline, would_change

MOST_LINES: Final = 12
WIDTH: Final = 118


def why_lines(decision: Decision) -> list[str]:
    """Render the decision in at most 12 lines of at most 118 columns."""
    rejected = {
        index: decision.causes(index)
        for index in range(len(decision.fleet))
        if not decision.eligible[index]
    }
    rows: list[tuple[str, str, str, str]] = []
    for index in decision.ranking[:3]:
        detail = f"{decision.backend_on(index).value}, score {decision.scores[index]}"
        verdict = "chosen" if index == decision.chosen else "eligible"
        rows.append((decision.fleet.nodes[index].name, verdict, "-", detail))
    ordered = nearest_rows(decision, rejected)
    for index in ordered:
        name = decision.fleet.nodes[index].name
        rows += [
            (name, "rejected", cause.reason.row.code, cause.reason.message)
            for cause in rejected[index]
        ]
    return _table(f"{headline(decision)}.", rows, _advice(decision, ordered))


def _advice(decision: Decision, ordered: list[int]) -> str | None:
    if decision.ranking or not ordered:
        return None
    index = ordered[0]
    return f"Nearest: {decision.fleet.nodes[index].name} if {would_change(decision.causes(index))}."


def _table(first: str, rows: list[tuple[str, str, str, str]], last: str | None) -> list[str]:
    room = MOST_LINES - 2 - (1 if last else 0)
    hidden = len(rows) - room
    if hidden > 0:
        shown = rows[: room - 1]
        rows = [
            *shown,
            (
                f"+ {len(rows) - len(shown)} more",
                "",
                "",
                "schedune explains them all in status.evaluation",
            ),
        ]
    table = [("NODE", "VERDICT", "CODE", "WHY"), *rows] if rows else []
    widths = [max((len(row[column]) for row in table), default=0) for column in range(3)]
    lines = [first]
    lines += ["  ".join([*(row[c].ljust(widths[c]) for c in range(3)), row[3]]) for row in table]
    lines += [last] if last else []
    return [_clean(line) for line in lines]


def _clean(line: str) -> str:
    ascii_only = (
        line.encode("ascii", "replace").decode().replace("\n", " ").replace("\t", " ").rstrip()
    )
    return ascii_only if len(ascii_only) <= WIDTH else ascii_only[: WIDTH - 3] + "..."
