"""The nodes: a list of what each is and has left, and one node whole."""

from collections.abc import Mapping
from typing import Final

from schedune.examination.examine import Sighting, Wanted, examine
from schedune.examination.form import Seen
from schedune.examination.text import render_examination
from schedune.explaining.glance import NodeGlance, node_glances
from schedune.fleet.fleet import Fleet
from schedune.fleet.profile import microseconds
from schedune.telling.page import READABLE, Page
from schedune.telling.words import aged
from schedune_operator.seen.page.frame import (
    badge,
    choice,
    frame,
    lines,
    note,
    question,
    search,
    sheet_of,
)
from schedune_operator.seen.page.markup import Markup, Piece, link, piece, table, tag
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import NodeState, node_state

_TITLES: Final = (
    "Node", "State", "Arch", "KVM", "Class", "Facts", "vCPUs free", "vCPUs taken",
    "Memory free", "VMs", "Backends",
)  # fmt: skip


def nodes(reading: Reading, query: Mapping[str, str], number: int) -> str:
    """Return a part of the list of nodes."""
    fleet, state, part = reading.fleet(), query.get("state", ""), query.get("q", "")
    now_us = microseconds(reading.clock())
    found = [
        (row, node_state(node, now_us, reading.expire_s))
        for row, node in enumerate(fleet.nodes)
        if part in node.name
    ]
    if state:
        found = [one for one in found if one[1].value == state]
    sheet = sheet_of(found, number)
    glances = node_glances(
        fleet, [row for row, _ in sheet.shown], now=reading.clock(), policy=reading.policy
    )
    rows = [_row(one, held) for one, (_, held) in zip(glances, sheet.shown, strict=True)]
    form = question(
        "nodes",
        choice("state", [one.value for one in NodeState], state, "State"),
        search(part, "Name holds"),
    )
    shown = table(_TITLES, rows, "......n.nn") if rows else piece(None)
    ways = sheet.ways("nodes", {"state": state, "q": part})
    return frame(reading, "Nodes", "nodes", form, sheet.told("nodes"), shown, ways)


def _row(one: NodeGlance, state: NodeState) -> tuple[Piece, ...]:
    return (
        link(one.node_name, "nodes", one.node_name),
        badge(state.value),
        one.architecture,
        one.kvm,
        one.compatibility_class,
        "never" if one.proof_age_seconds is None else aged(max(0, one.proof_age_seconds)),
        "undeclared" if one.vcpus is None else f"{one.vcpus_free} of {one.vcpus}",
        _meter(one.vcpus_free, one.vcpus),
        f"{one.memory_free} of {one.memory}" if one.memory else "undeclared",
        one.vms,
        ", ".join(one.backends) or "-",
    )


def _meter(free: int | None, offered: int | None) -> Markup:
    """Show how much of a node is taken; the numbers stand beside it."""
    if not offered or free is None:
        return piece(None)
    return tag("meter", value=offered - free, max=offered, aria_hidden="true")


def node(reading: Reading, name: str) -> str | None:
    """Return one node whole, as ``schedune truth`` shows it; None: it is not there."""
    raw = reading.world.nodes.store.get(("", name))
    if raw is None:
        return None
    fleet, world, now = reading.fleet(), reading.world, reading.clock()
    beat = world.heartbeats.get(name)
    sighting = Sighting(
        record=world.record(raw),
        seen=Seen.CLUSTER,
        time=now,
        claims=[one for one in fleet.claims.held.values() if one.node_name == name],
        lease_renewed=world.last_beat(name),
        lease_digest=beat.digest if beat is not None else "",
    )
    told = render_examination(examine(sighting, Wanted(), reading.policy), Page(READABLE))
    return frame(
        reading,
        name,
        "nodes",
        _state(reading, fleet, name),
        tag("h2", "VMs"),
        _vms(reading, name),
        tag("h2", "All that is known (schedune truth)"),
        lines(told.splitlines(), f"schedune truth {name}"),
    )


def _state(reading: Reading, fleet: Fleet, name: str) -> Markup:
    row = fleet.row.get(name)
    if row is None:
        return note("The leader has not looked at this node yet.")
    now_us = microseconds(reading.clock())
    return tag("p", badge(node_state(fleet.nodes[row], now_us, reading.expire_s).value))


def _vms(reading: Reading, name: str) -> Markup:
    rows = [
        (
            link(f"{namespace}/{workload}", "workloads", namespace, workload),
            (raw.get("status") or {}).get("state", "-"),
            raw["spec"].get("backend", "-"),
            raw["spec"].get("mode", "-"),
        )
        for (namespace, workload), raw in sorted(reading.world.placements.store.items())
        if raw["spec"].get("nodeName") == name
    ]
    if not rows:
        return note("None is placed here.")
    return table(("Workload", "State", "Backend", "Mode"), rows)
