"""The network cards of a launch on QEMU's command line."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from schedune.api.machine import Network, PortForward
from schedune.launch.guest_identity import mac_address

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a forward is asked for in order to be reached


def render_networks(
    networks: Sequence[Network], workload_uid: str, address: str = ANY_ADDRESS
) -> list[str]:
    """Return the arguments for the cards, in the order in which the guest sees them.

    ``address`` is the one of the node on which port forwards listen.
    """
    return [argument for one in networks for argument in _card(one, workload_uid, address)]


def _card(network: Network, workload_uid: str, address: str) -> Iterator[str]:
    name = f"net-{network.name}"
    forwards = network.user.port_forwards if network.user else []
    backend = {
        "type": "user",
        "id": name,
        "hostfwd": [{"str": _forward(one, address)} for one in forwards],
    }
    yield "-netdev"
    yield json.dumps(backend)
    device = {"driver": "virtio-net-pci", "netdev": name, "romfile": ""}
    yield "-device"
    yield json.dumps({**device, "mac": mac_address(workload_uid, network.name)})


def _forward(forward: PortForward, address: str) -> str:
    return f"{forward.protocol.lower()}:{address}:{forward.node_port}-:{forward.guest_port}"
