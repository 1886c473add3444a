"""Whose VM a process is, by its command line: read by every agent, in any state.

QEMU carries the marker as an option of its own, so that also the guest can read it. A
VMM without such an option carries it as its name (``argv[0]``), with what it holds.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from schedune.api.quantity import parse_bytes, render_bytes
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.system import processes

_OPTION: Final = "name=opt/io.schedune/placement,string="
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


def placement_of(argv: Sequence[str], cluster_uid: str) -> str | None:
    """Return the placement whose marker a command line carries, if it is of this cluster."""
    return next((uid for _, cluster, uid in _marks(argv) if cluster == cluster_uid), None)


def backend_of(argv: Sequence[str]) -> Backend | None:
    """Return which VMM a marked process says that it is; None: it carries no marker."""
    return next((backend for backend, _, _ in _marks(argv)), None)


def carries_a_marker(argv: Sequence[str]) -> bool:
    """Say whether a command line carries a marker, of whatever cluster."""
    return any(True for _ in _marks(argv))


def find_marked(placement_uid: str, cluster_uid: str) -> Iterator[int]:
    """Find the processes that carry this placement's marker."""
    for pid, argv in processes.list_command_lines():
        if placement_of(argv, cluster_uid) == placement_uid:
            yield pid


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


def _marks(argv: Sequence[str]) -> Iterator[tuple[Backend, str, str]]:
    """Give backend, cluster and placement of every well-formed marker."""
    parts = argv[0].split("/") if argv else []
    if len(parts) == 7 and parts[0] == _NAME and parts[1] in _BACKENDS:
        cluster, uid = parts[2:4]
        if _UID.fullmatch(cluster) and _UID.fullmatch(uid):
            yield _BACKENDS[parts[1]], cluster, uid
    for part in argv:
        if part.startswith(_OPTION):
            ids = part.removeprefix(_OPTION).split("/")
            if len(ids) == 2 and all(map(_UID.fullmatch, ids)):
                yield Backend.QEMU, ids[0], ids[1]
