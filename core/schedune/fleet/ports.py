"""Ports of a node that VMs take: each goes to one VM at a time."""

from collections.abc import Iterable

from schedune.api.machine import Network


def node_ports(networks: Iterable[Network]) -> frozenset[str]:
    """Return the ports that the forwards of these networks listen on, such as ``TCP 8080``."""
    forwards = (one for network in networks if network.user for one in network.user.port_forwards)
    return frozenset(f"{one.protocol} {one.node_port}" for one in forwards)
