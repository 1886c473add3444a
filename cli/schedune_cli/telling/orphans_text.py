"""Orphans, for people: what each is, and the order to paste."""

from collections.abc import Sequence

from schedune.telling.page import Page, Tone, counted
from schedune_cli.judging.orphans import OrphanListing, OrphanReport

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
            pid = "-" if orphan.pid is None else str(orphan.pid)
            what = (found.node_name, orphan.class_, pid, backend, orphan.claim or "-")
            rows.append((*what, orphan.message))
        lines = [*page.table(rows, [Tone.BAD] * len(told.orphans))]
        many = counted(len(told.orphans), "orphan")
        lines += ["", f"{many}; no process is acted on without an order."]
    lines += [
        f"{more.count} more on {more.node_name}: its NodeTruth has no room for them."
        for more in told.unlisted
    ]
    lines += [
        f"Of {name} nobody knows: its NodeTruth is there and cannot be read."
        for name in told.unread
    ]
    for listing in told.orphans:
        lines += _what_to_do(listing, page)
    if told.orders:
        outcomes: list[Sequence[str]] = [_ORDERS]
        for given in told.orders:
            one, name = given.order, given.node_name
            outcomes.append((name, one.action, str(one.pid), one.code, one.message))
        lines += ["", page.paint("Orders that stand", Tone.TITLE), *page.table(outcomes)]
    return "\n".join(lines) + "\n"


def _what_to_do(listing: OrphanListing, page: Page) -> list[str]:
    """Return the remedy and the order; one that is ordered for already needs neither."""
    orphan, lines = listing.orphan, list[str]()
    if listing.command or orphan.pid is None:
        is_left = orphan.pid is None
        about = f"left of VM {orphan.placement_uid}" if is_left else f"pid {orphan.pid}"
        where = f"{about} on {listing.node_name}"
        lines += ["", page.paint(f"{where}: {listing.remedy}", Tone.TITLE)]
    if listing.command:
        lines.append(f"  {listing.command}")
    return lines
