"""Take a lab down: exactly what it started and added, also after a crash of the lab itself."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.kubeconfig import KubeconfigError, from_kubeconfig
from schedune_kube.resources import CRDS, VMWORKLOADS
from schedune_lab import existing
from schedune_lab.clearing import Mine, clear, end_vms
from schedune_lab.cluster import Setup
from schedune_lab.nodes import THIS_MACHINE
from schedune_lab.processes import Identity, commands, end_together, running
from schedune_lab.progress import LabError, say
from schedune_lab.state import Facts, State

_SUPERVISOR_S: Final = 60.0
_POWERS_DOWN: Final = ("operator", f"agent-{THIS_MACHINE}")
"""Without these a VM ends as a process; with them it powers down, supervisor or not."""
_VMMS: Final = ("qemu-system-", "cloud-hypervisor", "firecracker")
_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")


def take_down(folder: Path) -> None:
    """End what a lab started, remove what it added, and empty its directory.

    The cluster is asked first, so that VMs can power down; whether or not it answers, the
    lab's processes end. What could not be removed is remembered for the next try.

    Raises:
        LabError: something is left; says what, and what to do.
    """
    state = State(folder)
    facts = state.facts()
    if facts is not None:
        _take_down(state, facts)
        shutil.rmtree(facts.runs, ignore_errors=True)
    for path in folder.iterdir():  # the directory itself is held by whoever called
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _take_down(state: State, facts: Facts) -> None:
    setup, trouble = None, None
    try:
        setup = existing.again(facts.given, Path(facts.kubectl)) if facts.given else None
    except LabError as error:
        trouble = error
    if all(state.alive(name) for name in _POWERS_DOWN):
        _end_vms(state, facts, setup)
    _end_processes(state, facts)
    if trouble is not None:
        raise LabError(
            f"what the lab added to its cluster is still there: {trouble}. Repair the kubeconfig"
            f" and run down again; if the cluster is gone for good, remove {state.folder}"
        ) from trouble
    if setup is not None:
        _clear(state, facts, setup)


def _mine(state: State, facts: Facts) -> Mine:
    definition = f"{VMWORKLOADS.plural}.{VMWORKLOADS.group}"
    ours = any((one.kind, one.name) == (CRDS.kind, definition) for one in state.added())
    return Mine(facts.lab, state.nodes(), every_workload=ours)


def _end_vms(state: State, facts: Facts, setup: Setup | None) -> None:
    """Let VMs power down in order; what cannot be reached is ended as a process instead."""

    async def run() -> None:
        async with _client(state, setup) as client:
            await end_vms(client, _mine(state, facts))

    try:
        asyncio.run(run())
    except (ApiError, KubeconfigError, OSError) as error:
        say(f"the lab's VMs cannot be ended in order: {error}")


def _client(state: State, setup: Setup | None) -> KubeClient:
    """Return the set-up's rights where there are any, else those of the lab's user."""
    if setup is not None:
        return setup.client()
    credentials = from_kubeconfig(state.folder / "user.kubeconfig")
    return KubeClient(credentials, field_manager="schedune-lab")


def _clear(state: State, facts: Facts, setup: Setup) -> None:
    async def run() -> None:
        async with setup.client() as client:
            await clear(client, _mine(state, facts), state.added())

    try:
        asyncio.run(run())
    except (ApiError, OSError) as error:
        raise LabError(
            f"what the lab added to its cluster is not all removed: {error}; run down again"
        ) from error


def _end_processes(state: State, facts: Facts) -> None:
    """End supervisor, parts and VMs, in this order: nobody may start what was ended.

    Raises:
        LabError: one does not end; nothing is released that it may hold.
    """
    supervisor = state.supervisor()
    supervisors = [supervisor] if supervisor is not None else running(facts.supervisor)
    _end("supervisor", supervisors, _SUPERVISOR_S)
    _end("part", list(_parts(state)))
    _end("VM", list(_vms(facts.runs)))
    for run in Path(facts.runs).glob("*/*"):
        _remove_groups(run.name)


def _end(what: str, identities: list[Identity], grace_s: float = 10.0) -> None:
    kept = end_together(identities, grace_s)
    if kept:
        pids = ", ".join(str(one.pid) for one in kept)
        raise LabError(f"a {what} does not end, pid {pids}: end it yourself and run down again")


def _parts(state: State) -> Iterator[Identity]:
    """Yield the parts that run: those written down, and those not yet."""
    for name in state.running_parts():
        identity = state.alive(name)
        if identity is not None:
            yield identity
    for part in state.parts():
        yield from running(part.argv)


def _vms(runs: str) -> Iterator[Identity]:
    """Yield the VMMs whose sockets are in the lab's run directory: no other lab has it.

    Not by the agents' records: a VM may be started and not yet recorded, or its record lost.
    """
    for identity, words in commands():
        is_vmm = Path(words[0]).name.startswith(_VMMS)
        if is_vmm and any(f"{runs}/" in word for word in words[1:]):
            yield identity


def _remove_groups(placement_uid: str) -> None:
    """Remove the control groups of an ended VM, in every hierarchy, as its agent would."""
    for pattern in ("schedune", "*/schedune"):
        for group in _CONTROL_GROUPS.glob(f"{pattern}/{placement_uid}"):
            with contextlib.suppress(OSError):
                group.rmdir()
