"""The network cards of a launch on QEMU's command line."""

import json
from collections.abc import Iterator
from typing import Final

from schedune.api.machine import Network, PortForward
from schedune.launch.guest_identity import card_address
from schedune_agent.vmm.port import LaunchInputs

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a forward is asked for in order to be reached


def render_networks(inputs: LaunchInputs) -> list[str]:
    """Return the arguments for the cards, in the order in which the guest sees them.

    Raises:
        PlanError: a network of type Tap has no tap.
    """
    return [argument for one in inputs.launch.networks for argument in _card(one, inputs)]


def _card(network: Network, inputs: LaunchInputs) -> Iterator[str]:
    backend = _user(network, inputs) if network.type == "User" else _tap(network, inputs)
    name = f"net-{network.name}"
    yield "-netdev"
    yield json.dumps({"id": name, **backend})
    device = {"driver": "virtio-net-pci", "netdev": name, "romfile": ""}
    yield "-device"
    yield json.dumps({**device, "mac": card_address(inputs.owner.workload_uid, network)})


def _tap(network: Network, inputs: LaunchInputs) -> dict[str, object]:
    """Return a tap that QEMU finds open: it needs no right to make or to open one."""
    return {"type": "tap", "fd": str(inputs.tap_of(network).descriptor)}


def _user(network: Network, inputs: LaunchInputs) -> dict[str, object]:
    forwards = network.user.port_forwards if network.user else []
    told = [{"str": _forward(one, inputs.forward_address)} for one in forwards]
    return {"type": "user", "hostfwd": told}


def _forward(forward: PortForward, address: str) -> str:
    return f"{forward.protocol.lower()}:{address}:{forward.node_port}-:{forward.guest_port}"
