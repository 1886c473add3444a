"""What the tests of probes share: a tree to read from, and things that really block."""

import contextlib
import ctypes
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schedune_agent.probes.family import Answer, Part
from schedune_testing.programs import Machine

Put = Callable[[str, str], None]
_LIBC = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write files below the root from which the probes read."""

    def write(path: str, content: str) -> None:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    return write


def told(part: Part, name: str) -> Answer:
    """Return the answer of a name."""
    return next(one for one in part.answers if one.name == name)


@pytest.fixture
def answer_in() -> Callable[[Part, str], Answer]:
    return told


@pytest.fixture
def silent_folder(tmp_path: Path) -> Iterator[Path]:
    """A file system whose server never answers: whoever looks into it waits."""
    folder = tmp_path / "silent"
    folder.mkdir()
    server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={server},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    if _LIBC.mount(b"silent", os.fsencode(folder), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "cannot mount a FUSE file system")
    try:
        yield folder
    finally:
        _LIBC.umount2(os.fsencode(folder), _MNT_DETACH)
        os.close(server)


@contextlib.contextmanager
def leased(path: Path) -> Iterator[None]:
    """Hold a lease on a file: whoever opens it to write waits until we let go, and we do not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, 0)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    try:
        yield
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)


@pytest.fixture
def hold_open() -> Callable[[Path], "contextlib.AbstractContextManager[None]"]:
    return leased


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    return Machine(folder)
