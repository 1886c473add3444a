"""A VMM's process and folders, the same for every VMM: started, cleaned away."""

import asyncio
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from schedune_agent.record import RecordedProcess
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.port import LaunchPlan, VmmError, VmPaths
from schedune_agent.vmm.taps import made_taps, remove_taps

_STEP_SECONDS: Final = 2.0
_EXEC_SECONDS: Final = 0.002


async def start(
    plan: LaunchPlan, paths: VmPaths, stale: Sequence[Path], boot_id: str, group: str | None
) -> RecordedProcess:
    """Start a VMM, with its taps, and return who it is.

    ``stale`` are the sockets that an ended one may have left in its way.

    Raises:
        TapError: a tap could not be made.
        VmmError: it could not be started, or ended at once; with its own words.
    """
    with made_taps(plan.taps) as descriptors:
        return await _start(plan, paths, stale, boot_id, group, descriptors)


async def _start(
    plan: LaunchPlan,
    paths: VmPaths,
    stale: Sequence[Path],
    boot_id: str,
    group: str | None,
    descriptors: Mapping[int, int],
) -> RecordedProcess:
    try:
        paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in stale:
            one.unlink(missing_ok=True)
        groups = cgroup.make_groups(group) if group else []
        pid = processes.spawn(
            plan.argv,
            program=plan.binary,
            folder=paths.run,
            log=paths.log,
            groups=groups,
            descriptors=descriptors,
        )
    except OSError as error:
        raise VmmError(f"{plan.binary} could not be started: {error}") from error
    return await _await_exec(pid, plan, paths, boot_id)


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


def clean(paths: VmPaths, group: str | None, taps: Iterable[str] = ()) -> bool:
    """Remove what an ended VM left: folders, control groups and taps; say whether it is gone."""
    folders = (paths.run, paths.disks)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    groups_gone = cgroup.remove_groups(group) if group else True
    taps_gone = remove_taps(taps)
    return groups_gone and taps_gone and not any(folder.exists() for folder in folders)


def paths_of(settings: AgentSettings, placement_uid: str) -> VmPaths:
    """Return where a placement's VM is."""
    return VmPaths(
        settings.run_directory / placement_uid, settings.state_directory / "vms" / placement_uid
    )
