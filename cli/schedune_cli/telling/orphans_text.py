"""Orphans, for people: what each is, and the order to paste."""

from collections.abc import Sequence

from schedune.telling.page import Page, Tone, counted
from schedune_cli.judging.orphans import OrphanReport

_TITLE = ("NODE", "CLASS", "PID", "BACKEND", "HOLDS", "WHAT IT IS")
_ORDERS = ("NODE", "ACTION", "PID", "CODE", "WHAT CAME OF IT")
_NONE = "No agent tells of a VMM that no placement accounts for."


def render_orphans(told: OrphanReport, page: Page) -> str:
    """Return the orphans as a table, an order for each, and what became of those that stand."""
    lines = [_NONE]
    if told.orphans:
        rows: list[Sequence[str]] = [_TITLE]
        for found in told.orphans:
            orphan = found.orphan
            backend = orphan.backend.value if orphan.backend else "-"
            what = (found.node_name, orphan.class_, str(orphan.pid), backend, orphan.claim or "-")
            rows.append((*what, orphan.message))
        lines = [*page.table(rows, [Tone.BAD] * len(told.orphans))]
        lines += ["", f"{counted(len(told.orphans), 'orphan')}; none is acted on without an order."]
    for listing in told.orphans:
        if listing.command:
            where = f"pid {listing.orphan.pid} on {listing.node_name}"
            lines += ["", page.paint(f"{where}: {listing.remedy}", Tone.TITLE)]
            lines.append(f"  {listing.command}")
    if told.orders:
        outcomes: list[Sequence[str]] = [_ORDERS]
        for given in told.orders:
            one, name = given.order, given.node_name
            outcomes.append((name, one.action, str(one.pid), one.code, one.message))
        lines += ["", page.paint("Orders that stand", Tone.TITLE), *page.table(outcomes)]
    return "\n".join(lines) + "\n"
