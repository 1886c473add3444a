"""A VMM's process and folders, the same for every VMM: started, cleaned away."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_agent.record import RecordedProcess
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup, processes
from schedune_agent.system.cgroup_limits import Limits, set_limits
from schedune_agent.system.launcher import Given, VmUser
from schedune_agent.system.locks import locked
from schedune_agent.system.place import HERE, Place
from schedune_agent.vmm.port import LaunchPlan, VmmError, VmPaths
from schedune_agent.vmm.taps import made_taps, remove_taps

VMS: Final = "vms"
"""Folder in the state directory: what guests write, one folder for each VM."""
_STEP_SECONDS: Final = 2.0
_EXEC_SECONDS: Final = 0.002
_LOG_FLAGS: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """Within what a VMM is held on its node."""

    group: str | None = None
    """Name of its control groups; None: it has none of its own."""
    limits: Limits | None = None
    user: VmUser | None = None
    """Who it runs as; None: as we do."""
    place: Place = HERE
    """Where it runs."""


async def start(
    plan: LaunchPlan, paths: VmPaths, boot_id: str, confinement: Confinement
) -> RecordedProcess:
    """Start a VMM in its place, with its taps, and return who it is.

    Raises:
        TapError: a tap could not be made.
        VmmError: it could not be started, or ended at once; with its own words.
    """
    user = confinement.user
    with (
        made_taps(plan.taps, user.uid if user else None, confinement.place) as taps,
        _locked(plan.locked) as disks,
    ):
        pid = _spawn(plan, paths, confinement, {**taps, **disks})
        return await _await_exec(pid, plan, paths, boot_id)


@contextlib.contextmanager
def _locked(disks: Iterable[Path]) -> Iterator[Mapping[int, int]]:
    with contextlib.ExitStack() as stack:
        try:
            descriptors = stack.enter_context(locked(disks))
        except OSError as error:
            raise VmmError(f"a disk that it is to write cannot be locked: {error}") from error
        yield descriptors


def _spawn(
    plan: LaunchPlan, paths: VmPaths, confinement: Confinement, descriptors: Mapping[int, int]
) -> int:
    try:
        _make_run_folder(paths, confinement.user)
        with os.fdopen(_open_log(paths), "wb") as log:
            doors = _make_groups(confinement)
            given = Given(
                plan.binary,
                paths.run,
                log.fileno(),
                doors,
                confinement.user,
                namespaces=confinement.place.namespaces,
                descriptors=descriptors,
                reach=plan.reach,
            )
            return processes.spawn(plan.argv, given)
    except OSError as error:
        raise VmmError(f"{plan.binary} could not be started: {error}") from error


def _make_run_folder(paths: VmPaths, user: VmUser | None) -> None:
    """Make the folder of its sockets, empty: an ended VMM may have left anything there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(paths.run)
    paths.run.mkdir(parents=True, mode=0o700)
    if user is not None:
        os.chown(paths.run, user.uid, user.gid)


def _open_log(paths: VmPaths) -> int:
    """Open its log, empty: what an earlier one complained of is told already."""
    paths.kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(paths.log, _LOG_FLAGS, 0o600)


def _make_groups(confinement: Confinement) -> list[Path]:
    """Make its control groups anew, so that they count from nothing, and limit them."""
    if confinement.group is None:
        return []
    cgroup.remove_groups(confinement.group)
    doors = cgroup.make_groups(confinement.group)
    if confinement.limits is not None:
        set_limits(confinement.group, confinement.limits)
    return doors


async def _await_exec(pid: int, plan: LaunchPlan, paths: VmPaths, boot_id: str) -> RecordedProcess:
    """Return who a new process is, once /proc shows the command line that it was given.

    The kernel shows it a moment after it lets go of the parent.
    """
    wanted, deadline = processes.digest_argv(plan.argv), time.monotonic() + _STEP_SECONDS
    while (found := processes.read_identity(pid, boot_id)) is not None:
        if found.argv_digest == wanted:
            return RecordedProcess.of(found)
        if time.monotonic() > deadline:
            raise VmmError(f"pid {pid} does not execute {plan.binary}")
        await asyncio.sleep(_EXEC_SECONDS)
    raise VmmError(f"{plan.binary} ended at once: {last_words(paths)}")


def last_words(paths: VmPaths) -> str:
    """Return the end of a VMM's log: untrusted text, for people."""
    try:
        tail = paths.log.read_bytes()[-400:]
    except OSError:
        return "it left no log"
    return tail.decode(errors="replace").strip().replace("\n", "; ") or "it said nothing"


def clean(paths: VmPaths, group: str | None, taps: Iterable[str] = (), place: Place = HERE) -> bool:
    """Remove what an ended VM left: folders, control groups and taps; say whether it is gone."""
    folders = (paths.run, paths.disks)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    groups_gone = cgroup.remove_groups(group) if group else True
    taps_gone = remove_taps(taps, place)
    return groups_gone and taps_gone and not any(folder.exists() for folder in folders)


def paths_of(settings: AgentSettings, placement_uid: str) -> VmPaths:
    """Return where a placement's VM is."""
    return VmPaths(
        settings.run_directory / placement_uid, settings.state_directory / VMS / placement_uid
    )
