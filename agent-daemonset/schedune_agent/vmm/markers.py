"""Whose VM a process is, by its command line: read by every agent, in any state.

QEMU carries the marker as an option of its own, so that also the guest can read it. A
VMM without such an option carries it as its name (``argv[0]``), with what it holds. These
are the places where a launch writes it. Behind them comes text of the user's, and a
command line that has the marker there is this placement's VM's, whatever else it mentions.
A marker anywhere else is a mention: what it is worth, ``schedune.lifecycle.carriers`` says.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from schedune.api.quantity import parse_bytes, render_bytes
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.system import processes

_FLAG: Final = "-fw_cfg"
_OPTION: Final = "name=opt/io.schedune/placement,string="
_USERS_TEXT: Final = "-append"
"""What follows it is the user's: the kernel command line."""
_NAME: Final = "schedune-vm"
_UID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
"""Any process may carry anything: what is no UID is no marker."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_BACKENDS: Final = {backend.value: backend for backend in Backend}


def option_marker(placement_uid: str, cluster_uid: str) -> str:
    """Return the option's value that marks a process as this placement's VM of this cluster."""
    return f"{_OPTION}{cluster_uid}/{placement_uid}"


def name_marker(backend: Backend, placement_uid: str, cluster_uid: str, claim: Claim) -> str:
    """Return the name under which a VMM runs that has no option for a marker."""
    sizes = f"{parse_bytes(claim.memory)}/{parse_bytes(claim.overhead_memory)}"
    return f"{_NAME}/{backend.value}/{cluster_uid}/{placement_uid}/{claim.vcpus}/{sizes}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A well-formed marker, as it was read from a command line."""

    backend: Backend
    """Which VMM it is written for."""
    cluster_uid: str
    placement_uid: str
    is_in_place: bool
    """It stands where a launch writes it."""


def marks_on(argv: Sequence[str]) -> Sequence[Mark]:
    """Return the one marker that stands in its place; where none does, all that are mentioned."""
    in_place = _read_name(argv[0] if argv else "", is_in_place=True) or _option_in_place(argv)
    return [in_place] if in_place else [mark for part in argv if (mark := _read_mention(part))]


def placement_of(argv: Sequence[str], cluster_uid: str) -> str | None:
    """Return the placement whose marker a command line carries, if it is of this cluster."""
    ours = (one.placement_uid for one in marks_on(argv) if one.cluster_uid == cluster_uid)
    return next(ours, None)


def backend_of(argv: Sequence[str]) -> Backend | None:
    """Return which VMM a marked process says that it is; None: it carries no marker."""
    return next((one.backend for one in marks_on(argv)), None)


def carries_a_marker(argv: Sequence[str]) -> bool:
    """Say whether a command line carries a marker, of whatever cluster."""
    return bool(marks_on(argv))


def find_marked(placement_uid: str, cluster_uid: str) -> Iterator[int]:
    """Find the processes on whose command line this placement's marker stands, be it a mention.

    Raises:
        PermissionError: the command line of a process may not be read: it may stand on that.
    """
    for pid, argv in processes.list_processes():
        if argv is None:
            raise processes.unseen(pid)
        if mark_of(argv, placement_uid, cluster_uid) is not None:
            yield pid


def mark_of(argv: Sequence[str], placement_uid: str, cluster_uid: str) -> Mark | None:
    """Return this placement's marker on a command line, if it is there."""
    wanted = (cluster_uid, placement_uid)
    marks = (one for one in marks_on(argv) if (one.cluster_uid, one.placement_uid) == wanted)
    return next(marks, None)


def names_path(argv: Sequence[str], path: Path) -> bool:
    """Say whether a VMM was given this very path, by itself or as ``path`` of an option.

    What a user wrote, the guest's command line, is no such option.
    """
    return str(path) in paths_on(argv)


def paths_on(argv: Sequence[str]) -> Iterator[str]:
    """Give what may be a path that a VMM was given: a word, or the ``path`` of an option."""
    text = argv.index(_USERS_TEXT) + 1 if _USERS_TEXT in argv else None
    for at, part in enumerate(argv):
        if at != text:
            yield part
            yield from (
                one.removeprefix("path=") for one in part.split(",") if one.startswith("path=")
            )


def claim_in_name(argv: Sequence[str]) -> Claim | None:
    """Return what a VM holds by its name; None: it has no such name, or nonsense in it."""
    parts = argv[0].split("/") if argv else []
    numbers = parts[4:]
    if parts[0:1] != [_NAME] or len(numbers) != 3 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    vcpus, memory, overhead = map(int, numbers)
    try:
        return Claim(
            vcpus=vcpus, memory=render_bytes(memory), overhead_memory=render_bytes(overhead)
        )
    except ValueError:
        return None


def _option_in_place(argv: Sequence[str]) -> Mark | None:
    """Read QEMU's: its first option names the placement, the first ``-fw_cfg`` is the marker."""
    options = list(pairwise(argv[1:]))
    marker = next((told for flag, told in options if flag == _FLAG), "")
    mark = _read_option(marker, is_in_place=True)
    if mark is None or options[0] != ("-name", f"guest={mark.placement_uid},debug-threads=on"):
        return None
    return mark


def _read_mention(part: str) -> Mark | None:
    return _read_name(part, is_in_place=False) or _read_option(part, is_in_place=False)


def _read_name(part: str, *, is_in_place: bool) -> Mark | None:
    parts = part.split("/")
    if len(parts) != 7 or parts[0] != _NAME or parts[1] not in _BACKENDS:
        return None
    return _well_formed(_BACKENDS[parts[1]], parts[2:4], is_in_place=is_in_place)


def _read_option(part: str, *, is_in_place: bool) -> Mark | None:
    if not part.startswith(_OPTION):
        return None
    ids = part.removeprefix(_OPTION).split("/")
    return _well_formed(Backend.QEMU, ids, is_in_place=is_in_place)


def _well_formed(backend: Backend, ids: Sequence[str], *, is_in_place: bool) -> Mark | None:
    if len(ids) != 2 or not all(map(_UID.fullmatch, ids)):
        return None
    return Mark(backend, ids[0], ids[1], is_in_place)
