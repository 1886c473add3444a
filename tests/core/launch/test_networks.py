"""Networks of a launch: what can be meant, what a node must have, and what a backend can do."""

from typing import Any

import pytest
from pydantic import ValidationError

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Architecture, Backend
from schedune.launch.guest_identity import card_address, mac_address
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune.launch.resolve import resolve_launch
from schedune.launch.traits import TUN
from schedune.launch.validate import validate_launch
from schedune_testing.fleets import capability
from schedune_testing.nodes import facts, intent, workload

TAP: dict[str, Any] = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}
LONG = "b" * 40


def user(*ports: tuple[str, int], name: str = "nat") -> dict[str, Any]:
    forwards = [
        {"name": f"p{at}", "protocol": protocol, "nodePort": port, "guestPort": 80}
        for at, (protocol, port) in enumerate(ports)
    ]
    return {"name": name, "type": "User", "user": {"portForwards": forwards}}


def mac(address: str, name: str = "lan") -> dict[str, Any]:
    return {"name": name, "type": "Tap", "tap": {"bridge": "br0", "macAddress": address}}


def refusal(*networks: dict[str, Any]) -> tuple[str, str]:
    """Return the field that is refused, and why."""
    read = read_workload(workload(networks=list(networks)))
    found = read if isinstance(read, tuple) else parse_intent(read)
    assert isinstance(found, tuple), found
    (one,) = found
    return one.subject, f"{one.observed} {one.required}"


def test_a_tap_is_asked_for_like_any_other_network() -> None:
    read = read_workload(workload(networks=[TAP]))
    assert not isinstance(read, tuple)
    assert unsupported_fields(read.spec) == ()
    assert isinstance(parse_intent(read), Intent)


@pytest.mark.parametrize(
    "bridge",
    [
        LONG,
        "b" * 16,
        "",
        "-br0",
        ".",
        "..",
        "br 0",
        "br/0",
        "br0\n",
        "br0\0",
        "br0,id=x",
        "br%d",
        "ä",
    ],
    ids=repr,
)
def test_a_name_that_no_bridge_can_have_is_refused_with_its_field(bridge: str) -> None:
    field, _ = refusal({**TAP, "tap": {"bridge": bridge}})
    assert field == "spec.networks.0.tap.bridge"


@pytest.mark.parametrize("bridge", [LONG, "../x", "br0\n"])
def test_a_launch_that_slipped_through_is_refused_by_the_agent_too(bridge: str) -> None:
    whole = resolve_launch(intent(networks=[TAP]), Architecture.AMD64, Backend.QEMU).render()
    Launch.model_validate(whole)
    whole["networks"] = [{**TAP, "tap": {"bridge": bridge}}]
    with pytest.raises(ValidationError, match="bridge"):
        Launch.model_validate(whole)


@pytest.mark.parametrize(
    "address",
    ["53:54:00:00:00:01", "ff:ff:ff:ff:ff:ff", "52-54-00-00-00-01", "52:54:00:00:00", ""],
)  # fmt: skip
def test_an_address_of_many_stations_or_of_none_is_refused(address: str) -> None:
    field, _ = refusal(mac(address))
    assert field == "spec.networks.0.tap.macAddress"


def test_two_cards_of_one_address_are_refused_and_two_of_none_are_not() -> None:
    one, other = mac("52:54:00:00:00:01"), mac("52:54:00:00:00:01", "wan")
    field, why = refusal(one, other)
    assert (field, "two cards" in why) == ("spec.networks[].tap.macAddress", True)
    assert intent(networks=[TAP, {**TAP, "name": "wan"}]).spec.networks


def test_two_ways_from_one_port_are_refused_unless_they_are_of_two_protocols() -> None:
    field, why = refusal(user(("TCP", 8080)), user(("TCP", 8080), name="other"))
    assert (field, why) == (
        "spec.networks[].user.portForwards[].nodePort",
        "8080 must not be given to two forwards of TCP",
    )
    assert intent(networks=[user(("TCP", 8080), ("UDP", 8080), ("TCP", 8081))])


def test_a_card_has_the_address_that_is_named_or_its_own() -> None:
    named, own, nat = intent(
        networks=[mac("52:54:00:00:00:01"), {**TAP, "name": "wan"}, user()]
    ).spec.networks
    assert card_address("uid", named) == "52:54:00:00:00:01"
    assert card_address("uid", own) == mac_address("uid", "wan")
    assert card_address("uid", nat) == mac_address("uid", "nat")


def codes(network: dict[str, Any], backend: Backend = Backend.QEMU, **changes: Any) -> list[str]:
    """Return what an agent with such facts says of the launch."""
    capabilities = [*facts("n")["capabilities"], capability(TUN, "Supported")]
    networks = [{"name": "br0"}, {"name": "br9"}]
    whole = facts("n", **{"capabilities": capabilities, "networks": networks, **changes})
    launch = resolve_launch(intent(networks=[network]), Architecture.AMD64, backend)
    found = validate_launch(launch, backend, NodeTruthStatus.model_validate(whole))
    return [one.row.code for one in found]


def test_an_agent_launches_nothing_without_the_bridge_or_the_right_to_make_taps() -> None:
    assert codes(TAP) == []
    assert codes({**TAP, "tap": {"bridge": "br1"}}) == ["REJECT_BRIDGE_MISSING"]
    assert codes(TAP, networks=[]) == ["REJECT_BRIDGE_MISSING"]
    without = facts("n")["capabilities"]
    assert codes(TAP, capabilities=without) == ["REJECT_CAPABILITY_UNKNOWN"]
    denied = capability(TUN, "Unavailable", reasonCode="CAP_NET_ADMIN_MISSING")
    assert codes(TAP, capabilities=[*without, denied]) == ["REJECT_CAPABILITY_DENIED"]
    assert codes(user(), capabilities=without, networks=[]) == []


@pytest.mark.parametrize("backend", [Backend.CLOUD_HYPERVISOR, Backend.FIRECRACKER])
def test_only_qemu_has_networks_in_user_space_and_every_backend_has_taps(backend: Backend) -> None:
    assert "ERR_LAUNCH_NETWORK_TYPE" in codes(user(), backend)
    assert "ERR_LAUNCH_NETWORK_TYPE" not in codes(TAP, backend)
    assert codes(user()) == []
