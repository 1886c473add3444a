"""Taps: network devices whose other end is a VMM. Made, put on a bridge and removed by ioctl.

A tap lives as long as a process holds it open, unless it is made to stay: that is for a VMM
that opens it by its name. Whether anybody holds one is asked by opening it: the kernel lets
in one at a time. They are where VMs run, which need not be where their agent runs: each
question says where (``place``).
"""

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

from schedune_agent.system.place import HERE, Place

LONGEST_NAME: Final = 15
"""Bytes of a network device's name."""
_TUN: Final = Path("/dev/net/tun")
_SET_INTERFACE: Final = 0x400454CA
_SET_PERSIST: Final = 0x400454CB
_SET_OWNER: Final = 0x400454CC
_GET_FLAGS: Final = 0x8913
_SET_FLAGS: Final = 0x8914
_ADD_TO_BRIDGE: Final = 0x89A2
_TAP: Final = 0x0002 | 0x1000 | 0x4000
"""Ethernet frames, without a protocol before each, with virtio's header."""
_UP: Final = 0x1
_NAME_AND_FLAGS: Final = struct.Struct("16sh22x")
_NAME_AND_INDEX: Final = struct.Struct("16si20x")
_NO_DEVICE: Final = 0


class TapHeldError(OSError):
    """A process holds the tap, or it is no tap at all: it is not ours to touch."""


class NoBridgeError(OSError):
    """There is no bridge of that name."""


def make(name: str, bridge: str, *, owner: int | None = None, place: Place = HERE) -> int:
    """Make a tap on a bridge, up, and return its descriptor; nothing is left of a failure.

    What an earlier launch left under this name is removed first. With ``owner``, a user id,
    the tap stays when it is closed, and that user may open it by its name.

    Raises:
        NoBridgeError: there is no such bridge.
        TapHeldError: a process holds it, or another device has its name.
        OSError: it cannot be made.
    """
    if not remove(name, place):
        raise TapHeldError(errno.EBUSY, f"network device {name} is in use")
    descriptor = _open(name, place)
    try:
        with place.network():
            _join(name, bridge)
            _change_flags(name, _UP)
        if owner is not None:
            fcntl.ioctl(descriptor, _SET_OWNER, owner)
            fcntl.ioctl(descriptor, _SET_PERSIST, 1)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove(name: str, place: Place = HERE) -> bool:
    """Remove a tap that nobody holds; say whether there is none of that name now.

    Raises:
        OSError: it is there and may not be opened.
    """
    if not exists(name, place):
        return True
    try:
        descriptor = _open(name, place)
    except TapHeldError:
        return False
    try:
        fcntl.ioctl(descriptor, _SET_PERSIST, 0)
    finally:
        os.close(descriptor)
    return not exists(name, place)


def exists(name: str, place: Place = HERE) -> bool:
    """Say whether there is a network device of that name.

    Raises:
        OSError: we may not look there.
    """
    with place.network():
        try:
            socket.if_nametoindex(name)
        except (OSError, ValueError):
            return False
    return True


def names_with(prefix: str, place: Place = HERE) -> list[str]:
    """Return the network devices whose names begin so.

    Raises:
        OSError: we may not look there.
    """
    with place.network():
        return sorted(name for _, name in socket.if_nameindex() if name.startswith(prefix))


def is_bridge(name: str, place: Place = HERE) -> bool:
    """Say whether there is a bridge of that name, by what it says to a device that is none.

    Raises:
        PermissionError: we may not ask.
        OSError: we cannot look there.
    """
    with place.network():
        try:
            _add_to_bridge(name, _NO_DEVICE)
        except PermissionError:
            raise
        except OSError as error:
            return error.errno == errno.EINVAL
    return True


def _open(name: str, place: Place = HERE) -> int:
    """Open the tap of that name, which is made by it if there is none.

    Raises:
        TapHeldError: somebody holds it, or another kind of device has the name.
    """
    request = _NAME_AND_FLAGS.pack(_checked(name), _TAP)
    descriptor = place.open_device(_TUN)  # it makes devices in the network that it was opened in
    try:
        fcntl.ioctl(descriptor, _SET_INTERFACE, request)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EBUSY, errno.EINVAL) and exists(name, place):
            raise TapHeldError(error.errno, f"network device {name} is in use") from error
        raise
    return descriptor


def _join(name: str, bridge: str) -> None:
    try:
        _add_to_bridge(bridge, socket.if_nametoindex(name))
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):
            raise NoBridgeError(error.errno, f"there is no bridge {bridge}") from error
        raise


def _add_to_bridge(bridge: str, index: int) -> None:
    request = _NAME_AND_INDEX.pack(_checked(bridge), index)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _ADD_TO_BRIDGE, request)


def _change_flags(name: str, added: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _GET_FLAGS, _NAME_AND_FLAGS.pack(_checked(name), 0))
        _, flags = _NAME_AND_FLAGS.unpack(answer)
        fcntl.ioctl(control, _SET_FLAGS, _NAME_AND_FLAGS.pack(_checked(name), flags | added))


def _checked(name: str) -> bytes:
    """Return a name as the kernel takes it: a longer one would be cut, and mean another device."""
    encoded = name.encode()
    if not 0 < len(encoded) <= LONGEST_NAME or b"\0" in encoded or b"%" in encoded:
        raise OSError(errno.EINVAL, f"{name!r} is no name of a network device")
    return encoded
