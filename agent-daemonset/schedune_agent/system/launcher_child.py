"""Start programs that outlive the agent, each with nothing but what it is given.

Runs as a child (standard library only) of the agent, small and with one thread: a copy of
it is made in a millisecond, and in that copy Python code may run safely. Usage:
``launcher_child.py SOCKET PARENT FILES``: each message at SOCKET is one program, as
``system/launcher.py`` writes it, with its descriptors; the answer is its pid, or the
negative number of an error. The new process is the *agent's* child, not ours
(CLONE_PARENT), so that the agent learns how it ends. It may have as many files open as
FILES says, and not as many as the agent took for itself. Why one cannot be executed is written
into the pipe that came with it, which closes when it is executed.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import stat
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_LARGEST = 2**17
_MOST_DESCRIPTORS = 250
_CLONE = {"x86_64": 56, "aarch64": 220}
_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}
_SIGNALS = range(1, 65)
_CLONE_PARENT = 0x8000
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522
_MOST_CAPABILITIES = 64
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
_ELF64 = b"\x7fELF\2\1"
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_STRTAB, _RPATH, _RUNPATH = 5, 15, 29
_MOST_SEGMENTS, _MOST_BYTES = 128, 2**16
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _EVERYTHING = 1, 2, 4, 8, 2**13 - 1
"""Rights of Landlock's first version (linux/landlock.h); a kernel without it makes no fence."""
# PyDLL keeps the interpreter's lock: a copy must not find it let go of.
_LIBC = ctypes.PyDLL(None, use_errno=True)


def main() -> int:
    """Serve until the agent is gone."""
    door = socket.socket(fileno=int(sys.argv[1]))
    door.set_inheritable(False)
    while True:
        message, descriptors, _, _ = socket.recv_fds(
            door, _LARGEST, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not message:
            return 0
        pid = _clone()
        if pid == 0:
            _become(json.loads(message), descriptors, *map(int, sys.argv[2:]))
        for one in descriptors:
            os.close(one)
        door.send(str(pid).encode())


def _clone() -> int:
    """Make a copy of this process that is our parent's child; 0: we are the copy."""
    number = _CLONE[platform.machine()]
    pid = int(_LIBC.syscall(number, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    return pid if pid >= 0 else -ctypes.get_errno()


def _become(
    given: "Mapping[str, Any]", descriptors: "Sequence[int]", agent: int, files: int
) -> NoReturn:
    """Turn into the program that was asked for, or tell why not and end."""
    report, log, *rest = descriptors
    doors, rest = rest[: given["doors"]], rest[given["doors"] :]
    namespaces, passed = rest[: given["namespaces"]], rest[given["namespaces"] :]
    try:
        os.setsid()
        for one in doors:
            os.write(one, b"0")
        with contextlib.suppress(PermissionError):
            # The agent's own may be 1000 or -997. Whether it was changed is looked at later.
            Path("/proc/self/oom_score_adj").write_text("0")
        _limit(files)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _ignore_no_signal()
        for one in namespaces:
            # Before anything is opened: what it finds open is to be the node's, not a pod's.
            _check(_LIBC.setns(one, 0), "namespaces")
        report = _arrange(report, log, dict(zip(given["numbers"], passed, strict=True)))
        fence = _make_fence(given["reach"], given["program"])
        _give_up_rights(given["user"])
        if fence is not None:
            _check(_LIBC.syscall(_LANDLOCK_RESTRICT, fence, 0), "Landlock")
        os.umask(0o077)
        os.chdir(given["folder"])
        if os.getppid() == agent:  # else nobody would know of the program
            os.execve(given["program"], given["argv"], given["environment"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - a copy of the launcher must not go on
        os.write(report, str(error).encode())
    os._exit(127)


def _limit(files: int) -> None:
    """Leave no core, and open no more files than that."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


def _ignore_no_signal() -> None:
    """Take back what we, or whoever began the agent, ignore: a new program would inherit it.

    Not by the C library, which does not let its own two signals (32 and 33) be set.
    """
    by_default = (ctypes.c_uint64 * 4)()  # handler, flags, restorer, mask
    for number in set(_SIGNALS) - {signal.SIGKILL, signal.SIGSTOP}:
        changed = _LIBC.syscall(
            _RT_SIGACTION[platform.machine()], number, ctypes.byref(by_default), None, 8
        )
        _check(changed, f"signal {number}")


def _arrange(report: int, log: int, passed: "Mapping[int, int]") -> int:
    """Put descriptors where they are wanted, and close all others but the report's.

    Returns where the report now is; it closes by itself when the program is executed.
    """
    above = max((2, *passed)) + 1
    report, log = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above) for one in (report, log))
    wanted = {number: fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above)
              for number, one in passed.items()}  # fmt: skip
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    nothing = fcntl.fcntl(nothing, fcntl.F_DUPFD_CLOEXEC, above)
    for number, one in {0: nothing, 1: nothing, 2: log, **wanted}.items():
        os.dup2(one, number)
    for one in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        if one not in (0, 1, 2, report, *wanted):
            with contextlib.suppress(OSError):
                os.close(one)
    return report


def _make_fence(reach: "Sequence[Sequence[str]] | None", program: str) -> int | None:
    """Return a set of Landlock's rules: files to read, files to write, and no others.

    With them goes what the program is loaded from: only here its own file is surely seen.
    """
    if reach is None:
        return None
    read, written = reach
    handled = struct.pack("=Q", _EVERYTHING)
    fence = int(_LIBC.syscall(_LANDLOCK_CREATE, handled, len(handled), 0))
    _check(fence < 0, "Landlock")
    for paths, rights in (
        ([*read, *_loaded_from(program)], _EXECUTE | _READ_FILE | _READ_DIR),
        (written, _EVERYTHING),
    ):
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                _open_door(fence, path, rights)
    return fence


def _loaded_from(program: str) -> "list[str]":
    """Return the folders that a program names for its interpreter and libraries, and the former.

    A static one names none, and neither does what is no ELF of 64 bits.
    """
    with Path(program).open("rb") as file, contextlib.suppress(struct.error):
        interpreter, run_path = _loading(file)
        if interpreter:
            origin = str(Path(program).resolve().parent)
            named = run_path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin).split(":")
            folders = [str(Path(interpreter).resolve().parent), *named]
            return [interpreter, *filter(_is_a_part, folders)]
    return []


def _is_a_part(folder: str) -> bool:
    """Say whether a folder may be let in: not the root, nor what depends on where we are."""
    return folder.startswith("/") and Path(folder).resolve() != Path("/")


def _loading(file: "BinaryIO") -> "tuple[str, str]":
    """Return the interpreter and the RUNPATH (or RPATH) of an ELF; "": it has none."""
    head = file.read(64)
    if head[:6] != _ELF64:
        return "", ""
    (table,), (size, count) = (
        struct.unpack_from("<Q", head, 32),
        struct.unpack_from("<HH", head, 54),
    )
    segments = []
    for number in range(min(count, _MOST_SEGMENTS)):
        file.seek(table + number * size)
        segments.append(struct.unpack("<I4xQQ8xQ16x", file.read(56)))
    interpreter = next((_text(file, one[1], one[3]) for one in segments if one[0] == _INTERP), "")
    told = dict[int, int]()
    for _, at, _, length in (one for one in segments if one[0] == _DYNAMIC):
        file.seek(at)
        content = file.read(min(length, _MOST_BYTES))
        told.update(struct.iter_unpack("<qQ", content[: len(content) // 16 * 16]))
    name = told.get(_RUNPATH, told.get(_RPATH))
    for kind, at, address, length in segments:
        if name is not None and kind == _LOAD and 0 <= told.get(_STRTAB, -1) - address < length:
            return interpreter, _text(file, at + told[_STRTAB] - address + name, _MOST_BYTES)
    return interpreter, ""


def _text(file: "BinaryIO", at: int, length: int) -> str:
    file.seek(at)
    return os.fsdecode(file.read(min(length, _MOST_BYTES)).partition(b"\0")[0])


def _open_door(fence: int, path: str, rights: int) -> None:
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(found).st_mode):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE
        rule = struct.pack("=Qi", rights, found)
        _check(_LIBC.syscall(_LANDLOCK_ADD, fence, _PATH_BENEATH, rule, 0), f"Landlock for {path}")
    finally:
        os.close(found)


def _give_up_rights(user: "Mapping[str, Any] | None") -> None:
    """Keep no capability, gain none ever again, and be the user that was asked for."""
    for capability in range(_MOST_CAPABILITIES):
        # Refused to an agent without CAP_SETPCAP. What is in this set could only be gained
        # by executing a program, and that is ruled out below.
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break
    _check(_LIBC.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0), "ambient capabilities")
    if user is not None:
        os.setgroups(user["groups"])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capabilities")
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"cannot set {what}")


if __name__ == "__main__":
    sys.exit(main())
