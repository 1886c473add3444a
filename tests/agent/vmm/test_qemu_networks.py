"""The network cards of a QEMU: on a tap that it finds open, or in user space with forwards."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import Claim, Launch
from schedune.launch.guest_identity import mac_address
from schedune_agent.vmm.port import LaunchFiles, LaunchInputs, Owner, PlanError, Tap, VmPaths
from schedune_agent.vmm.qemu.networks import ANY_ADDRESS, render_networks

TAPS = {"lan": Tap("schabcdefghijkl", "br0", 1000), "wan": Tap("schabcdefghijk2", "br1", 1001)}
LAN: dict[str, Any] = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}


def cards(*networks: dict[str, Any], taps: dict[str, Tap] = TAPS) -> list[Any]:
    """Return backend and device of each card."""
    launch = Launch.model_validate(
        {
            "runtimeClass": "VirtualMachine",
            "architecture": "amd64",
            "acceleration": "Emulated",
            "vcpus": 1,
            "memory": "128Mi",
            "networks": networks,
            "restartPolicy": "Always",
            "readiness": {"level": "Backend", "timeoutSeconds": 60},
            "terminationGraceSeconds": 0,
        }
    )
    folder = Path("/run/vm")
    arguments = render_networks(
        LaunchInputs(
            "/qemu",
            launch,
            Claim(vcpus=1, memory="128Mi", overhead_memory="1Mi"),
            LaunchFiles(Path("/kernel"), None),
            VmPaths(folder, folder),
            Owner("p-uid", "w-uid", "c-uid"),
            ANY_ADDRESS,
            taps=taps,
        )
    )
    told = list(pairwise(arguments))[::2]
    return [(name, json.loads(value)) for name, value in told]


def test_a_card_on_a_tap_is_given_the_open_tap_and_opens_none_itself() -> None:
    wan = {
        "name": "wan",
        "type": "Tap",
        "tap": {"bridge": "br1", "macAddress": "52:54:00:00:00:01"},
    }
    assert cards(LAN, wan) == [
        ("-netdev", {"id": "net-lan", "type": "tap", "fd": "1000"}),
        ("-device", {"driver": "virtio-net-pci", "netdev": "net-lan", "romfile": "",
                     "mac": mac_address("w-uid", "lan")}),
        ("-netdev", {"id": "net-wan", "type": "tap", "fd": "1001"}),
        ("-device", {"driver": "virtio-net-pci", "netdev": "net-wan", "romfile": "",
                     "mac": "52:54:00:00:00:01"}),
    ]  # fmt: skip


def test_a_card_whose_tap_was_not_planned_is_refused_with_its_name() -> None:
    with pytest.raises(PlanError, match="network lan"):
        cards(LAN, taps={})


def test_a_port_forward_leads_from_every_address_of_the_node() -> None:
    forward = {"name": "dns", "protocol": "UDP", "nodePort": 5353, "guestPort": 53}
    nat = {"name": "nat", "type": "User", "user": {"portForwards": [forward]}}
    (_, backend), _ = cards(nat)
    assert backend == {
        "id": "net-nat",
        "type": "user",
        "hostfwd": [{"str": "udp:0.0.0.0:5353-:53"}],
    }
