"""What stands against a launch's networks on this machine at this moment, whatever facts say."""

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import PortForward
from schedune.codes import networks as codes
from schedune.codes.row import Reason
from schedune_agent.system import taps
from schedune_agent.system.place import HERE, Place
from schedune_agent.system.ports import objection_to_listening
from schedune_agent.vmm.taps import no_bridge


def objection_to_networks(
    launch: Launch, forward_address: str, place: Place = HERE
) -> Reason | None:
    """Return the first thing that stands against them; None: nothing is seen."""
    for network in launch.networks:
        if network.tap is not None and not _may_be_bridge(network.tap.bridge, place):
            return no_bridge(network.tap.bridge)
        for one in network.user.port_forwards if network.user else ():
            told = _objection_to_port(one, forward_address, place)
            if told is not None:
                return Reason(codes.NODE_PORT_TAKEN, told, f"{one.protocol} {one.node_port}")
    return None


def _objection_to_port(wanted: PortForward, address: str, place: Place) -> str | None:
    try:
        with place.network():
            return objection_to_listening(wanted.protocol, address, wanted.node_port)
    except OSError:
        return None  # we may not look there: to start the VM says more


def _may_be_bridge(name: str, place: Place) -> bool:
    """Say whether it is a bridge, or we may not ask: then to make the tap says more."""
    try:
        return taps.is_bridge(name, place)
    except OSError:
        return True
