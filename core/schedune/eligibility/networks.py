"""Networks need their bridge, and a port of the node that leads into a guest leads into one."""

from collections.abc import Iterable
from functools import partial

from schedune.codes import placement
from schedune.codes.row import Actor, Reason
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.ports import node_ports
from schedune.fleet.view import View


def check_bridges(question: Question) -> Iterable[Finding]:
    """Object where a bridge that a network names is not there."""
    view = question.view
    seen = view.known & ~view.ask("failed_probes", _are_unseen)
    bridges = {one.tap.bridge for one in question.intent.spec.networks if one.tap is not None}
    for bridge in sorted(bridges):
        yield Finding(
            f"bridge/{bridge}",
            placement.BRIDGE_MISSING,
            seen & view.ask("bridges", partial(_lacks, bridge)),
            partial(_bridge, view, bridge),
            change=partial(_bridge_change, bridge),
        )


def _are_unseen(failed_probes: tuple[str, ...]) -> bool:
    """Say whether nobody knows the bridges: that is told of the probe, and none is not missing."""
    return "networks" in failed_probes


def _lacks(bridge: str, held: frozenset[str]) -> bool:
    return bridge not in held


def _bridge(view: View, bridge: str, at: int) -> Reason:
    return Reason(placement.BRIDGE_MISSING, _bridges(view, at), bridge, bridge)


def _bridge_change(bridge: str, _at: int) -> str:
    return f"it has a bridge {bridge}"


def _bridges(view: View, at: int) -> str:
    facts = view.node(at).facts
    return ", ".join(sorted(facts.bridges)) if facts and facts.bridges else "none"


def check_node_ports(question: Question) -> Iterable[Finding]:
    """Object where another VM has a port that the workload asks for."""
    view = question.view
    for port in sorted(node_ports(question.intent.spec.networks)):
        yield Finding(
            f"nodePort/{port}",
            placement.NODE_PORT_TAKEN,
            view.known & view.claimed_port(port),
            partial(_port, port),
            change=partial(_port_change, port),
            actor=Actor.USER,
        )


def _port(port: str, _at: int) -> Reason:
    return Reason(placement.NODE_PORT_TAKEN, "another VM", port, port)


def _port_change(port: str, _at: int) -> str:
    return f"another nodePort than {port}, which a VM there has"
