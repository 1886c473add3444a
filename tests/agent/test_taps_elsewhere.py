"""Taps, ports and guests in a network that is not their agent's, as a pod's is not the node's."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from schedune.api.vmplacement import Launch
from schedune_agent.live_networks import objection_to_networks
from schedune_agent.settings import AgentSettings
from schedune_agent.system import taps
from schedune_agent.system.place import HERE, Place, network_of
from schedune_agent.vmm.greeting import is_greeted
from schedune_agent.vmm.port import Tap
from schedune_agent.vmm.taps import (
    TapError,
    check_made,
    made_taps,
    remove_strays,
    remove_taps,
    tap_names,
)
from schedune_testing.own_network import add_bridge, own_network, ports_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks")
NAME = "schtest"
SETTINGS = AgentSettings.model_validate(
    {"kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/token"}}
)


@pytest.fixture
def node() -> Iterator[int]:
    """Run a process in a network with a bridge, and be in another network."""
    with own_network():
        add_bridge("br0")
        process = subprocess.Popen(["/bin/sleep", "600"])
        try:
            with own_network():
                yield process.pid
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def there(node: int) -> Place:
    return Place((Path(f"/proc/{node}/ns/net"),))


def own_devices() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def test_a_tap_is_made_and_removed_there_and_we_are_back_where_we_were(there: Place) -> None:
    os.close(taps.make(NAME, "br0", owner=0, place=there))
    assert own_devices() == ["lo"]
    assert taps.names_with("sch", there) == [NAME]
    assert taps.exists(NAME, there)
    assert not taps.exists(NAME)
    with there.network():
        assert ports_of("br0") == [NAME]
    assert taps.remove(NAME, there)
    assert not taps.exists(NAME, there)
    assert own_devices() == ["lo"]


def test_a_vmm_is_given_one_of_there_and_it_goes_with_the_vmm(there: Place) -> None:
    with made_taps([Tap(NAME, "br0", 1000)], place=there) as given:
        assert list(given) == [1000]
        assert taps.exists(NAME, there)
    assert not taps.exists(NAME, there)


def test_one_that_a_process_holds_is_not_taken_from_it_there_either(there: Place) -> None:
    held = taps.make(NAME, "br0", place=there)
    with pytest.raises(TapError) as failed, made_taps([Tap(NAME, "br0")], place=there):
        pass
    assert failed.value.reason.row.code == "ERR_EXEC_TAP_IN_USE"
    assert not remove_taps([NAME], there)
    os.close(held)
    assert remove_taps([NAME], there)


def test_bridges_are_those_of_there(there: Place) -> None:
    add_bridge("br1")
    assert [taps.is_bridge(one, there) for one in ("br0", "br1")] == [True, False]
    with pytest.raises(TapError) as failed, made_taps([Tap(NAME, "br1")], place=there):
        pass
    assert failed.value.reason.row.code == "REJECT_BRIDGE_MISSING"
    assert taps.names_with("sch", there) == []


def test_what_a_vmm_is_about_to_open_is_looked_for_where_it_opens_it(
    node: int, there: Place
) -> None:
    os.close(taps.make(NAME, "br0", owner=0, place=there))
    check_made([NAME], node)
    with pytest.raises(TapError):
        check_made([NAME], os.getpid())


def test_strays_are_removed_there(there: Place) -> None:
    lost = tap_names(SETTINGS, "forgotten")[0]
    os.close(taps.make(lost, "br0", owner=0, place=there))
    remove_strays(SETTINGS, [])
    assert taps.exists(lost, there)
    remove_strays(SETTINGS, [], there)
    assert not taps.exists(lost, there)


def test_where_nobody_may_look_no_tap_is_in_the_way_and_none_is_made(tmp_path: Path) -> None:
    """A VM cannot be started there either: a placement must be able to end all the same."""
    closed = Place((tmp_path / "net",))
    assert remove_taps([NAME], closed)
    remove_strays(SETTINGS, [], closed)
    with pytest.raises(TapError) as failed, made_taps([Tap(NAME, "br0")], place=closed):
        pass
    assert failed.value.reason.row.code == "ERR_EXEC_TAP_NOT_MADE"


def test_a_device_that_is_not_there_is_an_error_with_its_name(there: Place) -> None:
    with pytest.raises(FileNotFoundError, match="/dev/no-such"):
        there.open_device(Path("/dev/no-such"))


def test_a_child_that_ends_without_a_word_tells_its_last_ones(
    there: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "child.py"
    broken.write_text("import sys; sys.exit('broken')")
    monkeypatch.setattr("schedune_agent.system.place._OPENS", broken)
    with pytest.raises(OSError, match="/dev/null was not opened where VMs run: broken"):
        there.open_device(Path("/dev/null"))


def launch(*networks: dict[str, object]) -> Launch:
    return Launch.model_validate(
        {
            "runtimeClass": "VirtualMachine",
            "architecture": "amd64",
            "acceleration": "Emulated",
            "vcpus": 1,
            "memory": "128Mi",
            "networks": list(networks),
            "restartPolicy": "Never",
            "readiness": {"level": "Backend", "timeoutSeconds": 60},
            "terminationGraceSeconds": 0,
        }
    )


def objection(wanted: Launch, place: Place) -> str | None:
    told = objection_to_networks(wanted, "0.0.0.0", place)  # noqa: S104 - as agents have it
    return told.row.code if told else None


def test_right_before_a_start_ports_and_bridges_are_looked_at_there(there: Place) -> None:
    with there.network():
        stranger = socket.create_server(("127.0.0.1", 0))
    port = stranger.getsockname()[1]
    forward = {"name": "web", "nodePort": port, "guestPort": 80}
    nat = launch({"name": "nat", "type": "User", "user": {"portForwards": [forward]}})
    with stranger:
        assert objection(nat, HERE) is None
        assert objection(nat, there) == "REFUSED_NODE_PORT_TAKEN"
    assert objection(nat, there) is None
    lan = launch({"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}})
    assert objection(lan, HERE) == "REJECT_BRIDGE_MISSING"
    assert objection(lan, there) is None


async def test_a_guest_is_asked_for_its_greeting_in_the_network_of_its_vmm(
    node: int, there: Place
) -> None:
    with there.network():
        guest = socket.create_server(("127.0.0.1", 0))
    port = guest.getsockname()[1]
    with guest:
        threading.Thread(target=_greet, args=(guest,), daemon=True).start()
        assert await is_greeted("0.0.0.0", port, network_of(node), timeout_s=20)  # noqa: S104
        assert not await is_greeted("0.0.0.0", port, timeout_s=5)  # noqa: S104
    assert network_of(os.getpid()) == HERE


def _greet(guest: socket.socket) -> None:
    connection, _ = guest.accept()
    with connection:
        connection.sendall(b"hello")


def test_a_process_that_is_gone_has_no_network_of_its_own() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert network_of(gone.pid) == HERE
