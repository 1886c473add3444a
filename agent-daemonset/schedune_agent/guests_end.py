"""The guests of a host that goes down, ended in order from outside: agent or no agent.

Where an agent runs, it is told and waited for. Where none does, the records say what runs
and how long its grace is; what follows from its end is left to the next agent.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from schedune.api.vmplacement import Exit
from schedune.codes import execution as codes
from schedune.lifecycle.carriers import pick_carrier, rivals_of
from schedune.lifecycle.observation import Sighting
from schedune_agent.cluster import kept_cluster
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import identify_machine
from schedune_agent.record import LaunchRecord, RecordError, RecordStore
from schedune_agent.settings import AgentSettings, agent_lock
from schedune_agent.system import processes
from schedune_agent.system.locks import hold_lock
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.asking import grace_of
from schedune_agent.vmm.carriers import Carriers, CarrierSearch
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.port import Vm, VmmError
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import Programs

_LOOK_SECONDS: Final = 0.2
_CONSOLE_LINES: Final = 20
_LOG: Final = logging.getLogger(__name__)


async def end_guests(
    settings: AgentSettings, wait_s: float, clock: Callable[[], datetime]
) -> list[str]:
    """Let the agent end its guests, or do it where none runs; return what is left, and why.

    Raises:
        OSError: the order cannot be given.
    """
    boot_id = identify_machine("", "").boot_id
    shutdown, deadline = HostShutdown(settings.run_directory, boot_id), time.monotonic() + wait_s
    shutdown.order()
    while settings.state_directory.is_dir() and not shutdown.is_done:
        with contextlib.ExitStack() as stack:
            if hold_lock(agent_lock(settings), stack):
                return await end_recorded(settings, boot_id, clock)
        if time.monotonic() > deadline:
            return [f"the agent has not told within {wait_s:g} s that its guests have ended"]
        await asyncio.sleep(_LOOK_SECONDS)
    return []


async def end_recorded(
    settings: AgentSettings, boot_id: str, clock: Callable[[], datetime]
) -> list[str]:
    """End every VM of our records in order; return what is left, and why.

    What became of each is for whoever carries its placement out next to write. Only who
    holds the agent's lock, and has no workers, may do it.
    """
    store = RecordStore(settings.state_directory)
    cluster = settings.cluster_uid or kept_cluster(settings.state_directory) or ""
    settings = settings.model_copy(update={"cluster_uid": cluster})
    live = [one for one in store.load_all().values() if one.may_run]
    told = await asyncio.gather(*(_end(settings, store, one, boot_id, clock()) for one in live))
    return [one for one in told if one]


async def _end(
    settings: AgentSettings, store: RecordStore, record: LaunchRecord, boot_id: str, now: datetime
) -> str:
    """End one VM in order; return why it is left, "" if it is gone."""
    name = f"{record.namespace}/{record.name}"
    try:
        vm = _take(settings, record, boot_id)
        if vm is None:
            return ""
        with contextlib.closing(vm):
            _remember(settings, store, record, now)
            await vm.stop(grace_of(record.grace_seconds))
    except (VmmError, OSError, LookupError) as error:
        return f"{name}: {error}"
    return ""


def _take(settings: AgentSettings, record: LaunchRecord, boot_id: str) -> Vm | None:
    """Take hold of the VM by the same proof as an agent; None: it is gone.

    Raises:
        VmmError: something lives that may be it, and is not proved to be, there are
            several, or nobody can know.
    """
    if record.is_of_newer_agent:
        raise VmmError("a newer agent's record is left as it is, and so is its VM")
    uid, process = record.placement_uid, record.process
    if process is None and not settings.cluster_uid:
        raise VmmError("the UID of our cluster is not known, by which it is looked for")
    programs = Programs().with_launched(record)
    found = CarrierSearch(settings, boot_id, programs, uid).find()
    handle = processes.prove(process.identity(), boot_id) if process else None
    if handle is None:
        handle = _take_carrier(found, boot_id)
    elif rivals_of(found.all, handle.identity.key):
        handle.close()
        raise VmmError("another process claims to be it too: none is ended")
    if handle is None:
        return None
    return adapter_of(record.backend).attach(handle, paths_of(settings, uid), uid)


def _take_carrier(found: Carriers, boot_id: str) -> processes.ProcessHandle | None:
    pick = pick_carrier(found.all)
    if pick.sighting in (Sighting.SEVERAL, Sighting.UNPROVED):
        raise VmmError(f"it is not ended: {pick.detail}")
    return processes.prove(found.identities[pick.carrier], boot_id) if pick.carrier else None


def _remember(
    settings: AgentSettings, store: RecordStore, record: LaunchRecord, now: datetime
) -> None:
    """Write down how it ends before it does: on a full disk it is ended all the same."""
    kept = ConsoleLog(paths_of(settings, record.placement_uid).kept)
    end = Exit(
        reason=codes.HOST_SHUTDOWN.reason,
        time=now,
        console_tail=list(kept.tail(_CONSOLE_LINES)),
    )
    try:
        store.save(record.model_copy(update={"guest_end": end}))
    except RecordError as error:
        _LOG.warning("shutdown.not-recorded", extra={"error": str(error)})
