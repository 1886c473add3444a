"""Taps on a real kernel: made whole or not at all, and never taken from who holds one."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schedune_agent.settings import AgentSettings
from schedune_agent.system import taps
from schedune_agent.vmm.port import Tap
from schedune_agent.vmm.taps import (
    TapError,
    check_made,
    made_taps,
    remove_strays,
    remove_taps,
    tap_names,
)
from schedune_testing.own_network import add_bridge, own_network, ports_of, remove_bridge

NAME = "schtest"
NOBODY = 65534
SETTINGS = AgentSettings.model_validate(
    {
        "kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/token"},
        "clusterUID": "11111111-2222-3333-4444-555555555555",
    }
)


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    """Be in a network with one bridge."""
    with own_network():
        add_bridge("br0")
        yield


def devices() -> list[str]:
    return [name for _, name in socket.if_nameindex() if name not in ("lo", "br0")]


def is_up(name: str) -> bool:
    request = taps._NAME_AND_FLAGS.pack(name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, taps._GET_FLAGS, request)
    return bool(taps._NAME_AND_FLAGS.unpack(answer)[1] & taps._UP)


@contextmanager
def held(name: str = NAME) -> Iterator[None]:
    """Hold the tap of that name as a VMM does."""
    descriptor = taps._open(name)
    yield
    os.close(descriptor)


def test_a_tap_is_on_its_bridge_and_up_as_long_as_it_is_held_open() -> None:
    descriptor = taps.make(NAME, "br0")
    assert (devices(), ports_of("br0"), is_up(NAME)) == ([NAME], [NAME], True)
    os.close(descriptor)
    assert (devices(), ports_of("br0")) == ([], [])


def test_one_for_a_vmm_that_opens_it_by_name_stays_until_it_is_removed() -> None:
    os.close(taps.make(NAME, "br0", owner=0))
    assert ports_of("br0") == [NAME]
    assert taps.remove(NAME)
    assert taps.remove(NAME)
    assert devices() == []


def test_its_owner_opens_it_without_any_right_to_make_one_and_nobody_else_does() -> None:
    os.close(taps.make(NAME, "br0", owner=NOBODY))
    tun = os.open("/dev/net/tun", os.O_RDWR)
    assert _opens_as(NOBODY, tun)
    assert not _opens_as(NOBODY - 1, tun)
    os.close(tun)
    assert taps.remove(NAME)


def _opens_as(uid: int, tun: int) -> bool:
    """Say whether a user may take the tap with a descriptor that another opened for him."""
    child = os.fork()
    if child == 0:
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        request = taps._NAME_AND_FLAGS.pack(NAME.encode(), taps._TAP)
        try:
            fcntl.ioctl(tun, taps._SET_INTERFACE, request)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_what_an_earlier_launch_left_is_replaced() -> None:
    add_bridge("br1")
    os.close(taps.make(NAME, "br0", owner=NOBODY))
    descriptor = taps.make(NAME, "br1")
    assert (ports_of("br0"), ports_of("br1")) == ([], [NAME])
    os.close(descriptor)
    assert devices() == ["br1"]


def test_one_that_a_process_holds_is_neither_replaced_nor_removed() -> None:
    os.close(taps.make(NAME, "br0", owner=0))
    with held():
        with pytest.raises(taps.TapHeldError):
            taps.make(NAME, "br0")
        assert not taps.remove(NAME)
        assert not remove_taps([NAME])
        assert ports_of("br0") == [NAME]
    assert remove_taps([NAME])


def test_a_device_of_another_kind_is_never_touched() -> None:
    add_bridge(NAME)
    with pytest.raises(taps.TapHeldError):
        taps.make(NAME, "br0")
    assert not taps.remove(NAME)
    assert devices() == [NAME]


@pytest.mark.parametrize("bridge", ["br1", "lo", NAME])
def test_without_its_bridge_no_tap_is_made_and_nothing_is_left(bridge: str) -> None:
    with pytest.raises(taps.NoBridgeError):
        taps.make(NAME, bridge, owner=0)
    assert devices() == []


@pytest.mark.parametrize(
    "name", ["", "b" * 16, "b" * 40, "br0\0", "br0\0evil", "a/b", "tap%d", "..", "a b"]
)
def test_a_name_that_the_kernel_would_cut_or_complete_names_no_device(name: str) -> None:
    with pytest.raises(OSError, match=r"no name|Invalid"):
        os.close(taps.make(name, "br0"))
    with pytest.raises(OSError, match=r"no name|no bridge"):
        os.close(taps.make(NAME, name))
    assert devices() == []


def test_a_bridge_is_told_from_a_device_that_is_none_and_from_nothing() -> None:
    os.close(taps.make(NAME, "br0", owner=0))
    assert [taps.is_bridge(one) for one in ("br0", "lo", NAME, "br1")] == [True, *[False] * 3]
    remove_bridge("br0")
    assert not taps.is_bridge("br0")


def test_a_failure_half_way_leaves_no_tap_that_a_vmm_would_have_been_given() -> None:
    wanted = [Tap("schone", "br0", 1000), Tap("schtwo", "br1", 1001)]
    with pytest.raises(TapError) as failed, made_taps(wanted):
        pass
    assert failed.value.reason.row.code == "REJECT_BRIDGE_MISSING"
    assert devices() == []


def test_a_held_tap_is_told_with_its_name() -> None:
    os.close(taps.make(NAME, "br0", owner=0))
    with held(), pytest.raises(TapError, match=NAME) as failed, made_taps([Tap(NAME, "br0")]):
        pass
    assert failed.value.reason.row.code == "ERR_EXEC_TAP_IN_USE"
    with pytest.raises(TapError) as failed, made_taps([Tap("a/b", "br0")]):
        pass
    assert failed.value.reason.row.code == "ERR_EXEC_TAP_NOT_MADE"


def test_a_tap_that_somebody_removed_is_missed_before_a_vmm_makes_one_itself() -> None:
    check_made(["br0"], os.getpid())
    with pytest.raises(TapError, match=NAME) as failed:
        check_made(["br0", NAME], os.getpid())
    assert failed.value.reason.row.code == "ERR_EXEC_TAP_GONE"


def test_an_agent_removes_what_is_its_own_and_nobodys_and_nothing_else() -> None:
    other = SETTINGS.model_copy(update={"cluster_uid": "another-cluster"})
    kept, lost = tap_names(SETTINGS, "known")[0], tap_names(SETTINGS, "forgotten")
    foreign = tap_names(other, "forgotten")[0]
    for name in (kept, *lost[:2], foreign, "schtest"):
        os.close(taps.make(name, "br0", owner=0))
    with held(lost[1]):
        remove_strays(SETTINGS, ["known"])
        assert devices() == sorted([kept, lost[1], foreign, "schtest"], key=devices().index)
    remove_strays(SETTINGS, ["known"])
    assert set(devices()) == {kept, foreign, "schtest"}
