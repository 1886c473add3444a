"""The first page: how many of what, what stands in the way, and the repair that frees most."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from schedune.codes.table import TABLE
from schedune.fleet.profile import microseconds
from schedune.telling.page import counted
from schedune_operator.seen.page.frame import frame, note, tiles
from schedune_operator.seen.page.markup import Markup, Piece, join, link, table, tag
from schedune_operator.seen.page.repairs import Ranking, Repair
from schedune_operator.seen.page.workloads import Listed, listed, rows_of
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import NodeState, WorkloadState, node_state

_MOST_REPAIRS: Final = 10
_MOST_NAMED: Final = 3
_MOST_WAITING: Final = 20


def overview(reading: Reading, ranking: Ranking) -> str:
    """Return the first page."""
    workloads = listed(reading)
    return frame(
        reading,
        "Fleet",
        "",
        tag("h2", "Nodes"),
        _nodes(reading),
        tag("h2", "Workloads"),
        tiles("workloads", _by_state(workloads)),
        tag("h2", "The repair that frees most"),
        *_repairs(ranking),
        tag("h2", "What stands in the way"),
        *_codes(workloads),
        tag("h2", "Without a node"),
        *_without(workloads),
    )


def _nodes(reading: Reading) -> Markup:
    now_us = microseconds(reading.clock())
    found = Counter(
        node_state(node, now_us, reading.expire_s).value for node in reading.fleet().nodes
    )
    return tiles("nodes", {one.value: found[one.value] for one in NodeState})


def _by_state(workloads: list[Listed]) -> dict[str, int]:
    found = Counter(one.state.value for one in workloads)
    return {one.value: found[one.value] for one in WorkloadState}


def _repairs(ranking: Ranking) -> Iterator[Piece]:
    if not ranking.waiting:
        yield note("Every workload has a node.")
        return
    over = f"{counted(ranking.waiting, 'workload')} without a node"
    if ranking.counted < ranking.waiting:
        over = f"{ranking.counted:,} of {over}, those with the commonest demands"
    if not ranking.repairs:
        yield note(f"No single repair would free a node, counted over {over}.")
        return
    titles = ("What would be put right", "Workloads", "", "Nodes", "")
    yield table(titles, map(_repair, ranking.repairs[:_MOST_REPAIRS]), ".n.n.")
    hidden = len(ranking.repairs) - _MOST_REPAIRS
    more = f" {counted(hidden, 'repair')} more that frees less." if hidden > 0 else ""
    yield note(
        "Each alone, everywhere. Workloads: those that would have a node."
        f" Counted over {over}.{more}"
    )


def _repair(one: Repair) -> tuple[Piece, ...]:
    workloads = [link(name, "workloads", *name.split("/")) for name in one.workloads]
    nodes = [link(name, "nodes", name) for name in sorted(one.nodes)]
    return one.change, len(workloads), _some(workloads), len(nodes), _some(nodes)


def _some(names: list[Markup]) -> Markup:
    shown = names[:_MOST_NAMED]
    told = [piece for name in shown for piece in (name, ", ")][:-1]
    hidden = len(names) - len(shown)
    return join([*told, f" and {hidden:,} more" if hidden else None])


def _codes(workloads: list[Listed]) -> Iterator[Piece]:
    found = Counter(code for one in workloads for code in one.codes)
    if not found:
        yield note("Nothing.")
        return
    rows = [
        (
            link(code, "workloads", code=code),
            f"{count:,}",
            TABLE[code].cause,
            TABLE[code].remedy or "-",
        )
        for code, count in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    ]
    yield table(("Code", "Workloads", "Means", "What can be done"), rows, ".n..")
    yield note("Workloads without a node, each once under each code that keeps it from some node.")


def _without(workloads: list[Listed]) -> Iterator[Piece]:
    waiting = [
        one for one in workloads if one.state in (WorkloadState.STALLED, WorkloadState.WAITING)
    ]
    if not waiting:
        yield note("None.")
        return
    yield rows_of(waiting[:_MOST_WAITING])
    if len(waiting) > _MOST_WAITING:
        yield note(f"The first {_MOST_WAITING} of {len(waiting):,}, by name.")
