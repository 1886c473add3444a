"""Where VMs run, which need not be where their agent runs: the node's own namespaces.

An agent in a pod sees the pod's files and network. A VM that stayed there would lose its
network with the pod, and would keep the pod's files alive, its token among them
(reference/daemonset-measured.md 2). Whatever is asked of a VMM or of a device is therefore
asked from where a VM would be: in control groups of our own and in these namespaces.
"""

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.system import cgroup
from schedune_agent.system.child import CLEAN_ENVIRONMENT

_CHILD: Final = Path(__file__).with_name("place_child.py")
_OPENS: Final = Path(__file__).with_name("open_child.py")
_OPENING_S: Final = 10.0
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NETWORK: Final = 0x40000000
_OWN_NETWORK: Final = Path("/proc/thread-self/ns/net")
_FIRST: Final = Path("/proc/1")
"""The node's first process, seen from a pod with ``hostPID``; from any other the pod's own."""
KINDS: Final = ("cgroup", "ipc", "uts", "net", "mnt")
"""Namespaces that a VM does not share with a pod; the files last, for the others are found there.
The processes' is the node's with ``hostPID``, without which no VM outlives its pod."""
_PROBES: Final = "probes"
"""Control group of what is asked here: beside those of the VMs, which are named by UIDs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where VMs run, as far as it is elsewhere."""

    namespaces: tuple[Path, ...] = ()
    """To be entered in this order."""
    is_contained: bool = False
    """Whether what is asked there has to be in control groups of our own."""

    def program(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs a program there, one of the files there.

        Raises:
            OSError: the control groups cannot be made.
        """
        return self._there("program", argv)

    def script(self, path: Path, *arguments: str) -> list[str]:
        """Return the command line that runs there a script of ours (standard library only).

        Raises:
            OSError: the control groups cannot be made.
        """
        if not self._is_elsewhere:
            return [sys.executable, "-I", "-S", str(path), *arguments]
        return self._there("script", [str(path), *arguments])

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """See the network there, in this thread only; nothing may be awaited meanwhile.

        What is opened in it stays there: a socket, a child.

        Raises:
            OSError: it cannot be entered.
        """
        there = next((one for one in self.namespaces if one.name == "net"), None)
        if there is None:
            yield
            return
        back = os.open(_OWN_NETWORK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter_network(there)
            try:
                yield
            finally:
                _set_network(back, _OWN_NETWORK)
        finally:
            os.close(back)

    def open_device(self, path: Path) -> int:
        """Open a device there for reading and writing, without blocking: a descriptor of ours.

        A pod's device control group refuses what a VM's own allows, so a child opens it.

        Raises:
            OSError: it cannot be opened.
        """
        if not self._is_elsewhere:
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_OPENING_S)
        child = subprocess.Popen(
            self.script(_OPENS, str(path)),
            stdin=subprocess.DEVNULL,
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            env=CLEAN_ENVIRONMENT,
        )
        with child, ours:
            theirs.close()
            try:
                return _opened(ours, path)
            except EOFError:
                words = child.communicate()[1].decode(errors="replace").strip()
                raise OSError(f"{path} was not opened where VMs run: {words[-300:]}") from None
            finally:
                child.kill()

    @property
    def _is_elsewhere(self) -> bool:
        return bool(self.namespaces) or self.is_contained

    def _there(self, what: str, argv: Sequence[str]) -> list[str]:
        if not self._is_elsewhere:
            return list(argv)
        doors = cgroup.make_groups(_PROBES) if self.is_contained else []
        way = {"doors": list(map(str, doors)), "namespaces": list(map(str, self.namespaces))}
        return [sys.executable, "-I", "-S", str(_CHILD), json.dumps(way), what, *argv]


HERE: Final = Place()
"""Where we are."""


def namespaces_of_node(first: Path = _FIRST, root: Path = Path("/")) -> tuple[Path, ...]:
    """Return the namespaces that a VM of ours must enter; none where we are on the node itself.

    We are not when our files are not those of the node's first process: we are in a container.
    One that is no root cannot enter either, and neither can one whose first process is its own.

    Raises:
        PermissionError: we are root and may not even look at it, so that nobody knows where we are.
    """
    try:
        if _same_file(first / "root", root):
            return ()
        found = []
        for kind in KINDS:
            theirs = first / "ns" / kind
            if not _same_file(theirs, Path("/proc/self/ns") / kind):
                found.append(theirs)
    except OSError as error:
        if isinstance(error, PermissionError) and os.geteuid() == 0:
            raise
        return ()
    return tuple(found)


def network_of(pid: int) -> Place:
    """Return where a process sees its network; HERE also where we may not ask."""
    network = Path("/proc") / str(pid) / "ns" / "net"
    try:
        is_ours = _same_file(network, _OWN_NETWORK)
    except OSError:
        return HERE
    return HERE if is_ours else Place((network,))


def _opened(door: socket.socket, path: Path) -> int:
    """Take what a child opened.

    Raises:
        EOFError: it ended without a word.
        OSError: it could not open it.
    """
    said, descriptors, _, _ = socket.recv_fds(door, 16, 1, socket.MSG_CMSG_CLOEXEC)
    if descriptors:
        return descriptors[0]
    if not said:
        raise EOFError
    raise OSError(int(said), os.strerror(int(said)), str(path))


def _enter_network(network: Path) -> None:
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_network(descriptor, network)
    finally:
        os.close(descriptor)


def _set_network(descriptor: int, path: Path) -> None:
    if _LIBC.setns(descriptor, _NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))


def _same_file(one: Path, other: Path) -> bool:
    found, wanted = one.stat(), other.stat()
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)
