"""A network namespace for one test, with bridges in it: nothing of the machine's own is touched."""

import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from schedune_agent.system.launcher import LAUNCHER

_NEW_NETWORK = 0x40000000
_ADD_BRIDGE, _REMOVE_BRIDGE = 0x89A0, 0x89A1
_SET_FLAGS, _SET_ADDRESS, _SET_MASK = 0x8914, 0x8916, 0x891C
_UP = 0x1
_LIBRARY = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Let this thread, and what it starts, be in a network of its own; it goes when all left it.

    Other threads stay where they are, so nothing of a test's network may be done in one. The
    process that starts VMMs is begun anew in it, and again after it.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _do(_LIBRARY.unshare(_NEW_NETWORK))
        try:
            _set_up("lo")
            LAUNCHER.end()
            yield
        finally:
            LAUNCHER.end()
            _do(_LIBRARY.setns(before, _NEW_NETWORK))
    finally:
        os.close(before)


def add_bridge(name: str, address: str = "") -> None:
    """Make a bridge, up, with an address of ours such as 10.0.2.2/24."""
    _ask(_ADD_BRIDGE, name.encode() + b"\0")
    if address:
        told = ipaddress.ip_interface(address)
        _ask(_SET_ADDRESS, _with_address(name, str(told.ip)))
        _ask(_SET_MASK, _with_address(name, str(told.netmask)))
    _set_up(name)


def remove_bridge(name: str) -> None:
    """Take a bridge away, whatever is on it."""
    _ask(_SET_FLAGS, struct.pack("16sh22x", name.encode(), 0))
    _ask(_REMOVE_BRIDGE, name.encode() + b"\0")


def ports_of(bridge: str) -> list[str]:
    """Return what is on a bridge: ``ioctl`` SIOCDEVPRIVATE, BRCTL_GET_PORT_LIST."""
    indices = (ctypes.c_int * 64)()
    arguments = (ctypes.c_ulong * 4)(7, ctypes.addressof(indices), 64, 0)
    _ask(0x89F0, struct.pack("16sQ16x", bridge.encode(), ctypes.addressof(arguments)))
    return sorted(socket.if_indextoname(one) for one in indices if one)


def ask_guest(address: str, port: int, *, patience_s: float) -> str:
    """Return the line that a guest says to whoever connects."""
    deadline = time.monotonic() + patience_s
    while True:
        with suppress(OSError), socket.create_connection((address, port), timeout=5) as connection:
            told = connection.makefile().readline().strip()
            if told:
                return told
        assert time.monotonic() < deadline, f"nobody answers at {address}:{port}"
        time.sleep(0.2)


def _set_up(name: str) -> None:
    _ask(_SET_FLAGS, struct.pack("16sh22x", name.encode(), _UP))


def _with_address(name: str, address: str) -> bytes:
    packed = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(address))
    return struct.pack("16s16s8x", name.encode(), packed)


def _ask(request: int, argument: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, request, argument)


def _do(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
