"""Whether a port of this machine is free, asked of a real kernel."""

import socket
from collections.abc import Iterator

import pytest

from schedune_agent.system.ports import objection_to_listening
from schedune_testing.own_network import own_network

PORT = 8080
ANY, HERE = "0.0.0.0", "127.0.0.1"  # noqa: S104 - in a network of its own
KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


def held(protocol: str, address: str) -> socket.socket:
    stranger = socket.socket(socket.AF_INET, KINDS[protocol])
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stranger.bind((address, PORT))
    if protocol == "TCP":
        stranger.listen()
    return stranger


@pytest.mark.parametrize("protocol", KINDS)
@pytest.mark.parametrize(("theirs", "ours"), [(ANY, HERE), (HERE, ANY), (HERE, HERE), (ANY, ANY)])
def test_a_port_that_somebody_has_is_told_and_is_free_when_he_lets_go(
    protocol: str, theirs: str, ours: str
) -> None:
    with held(protocol, theirs):
        assert objection_to_listening(protocol, ours, PORT) == "some program of the node"
        other = "UDP" if protocol == "TCP" else "TCP"
        assert objection_to_listening(other, ours, PORT) is None
    assert objection_to_listening(protocol, ours, PORT) is None
    assert objection_to_listening(protocol, ours, PORT) is None


def test_a_connection_that_has_ended_keeps_nobody_from_its_port() -> None:
    listener = held("TCP", HERE)
    client = socket.create_connection((HERE, PORT))
    served, _ = listener.accept()
    for one in (served, listener, client):
        one.close()
    assert objection_to_listening("TCP", HERE, PORT) is None


def test_an_address_that_the_node_has_not_is_no_place_to_listen() -> None:
    told = objection_to_listening("TCP", "192.0.2.1", PORT)
    assert told is not None
    assert "Cannot assign" in told
