"""Real VMs for tests: a placement's world on a machine, and agents that die in it."""

import asyncio
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmplacement import VMPlacement
from schedune_agent.guest_data import ReadSecret, no_secrets
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.ledger import Ledger
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordStore
from schedune_agent.system import cgroup, processes
from schedune_agent.vm_users import usable
from schedune_agent.vmm.markers import find_marked
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.process import clean, paths_of
from schedune_testing.machines import PATIENCE_S, Machine, now_here

CLOCK_RUNS = 100
"""By so much the clock of the tests' worlds is ahead of ours."""
SPAWN = processes.spawn


class KilledError(BaseException):
    """The agent is killed here: nothing catches it."""


class Fuse:
    """Kills at the n-th moment at which an agent could be killed; 0: never."""

    def __init__(self, moment: int) -> None:
        self._left = moment

    def reach(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise KilledError


class MortalStore(RecordStore):
    """Writes real records; before and after each, the agent may be killed."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(folder)
        self._fuse = fuse

    def save(self, record: LaunchRecord) -> None:
        self._fuse.reach()
        super().save(record)
        self._fuse.reach()


def new_node(
    machine: Machine,
    records: RecordStore,
    clock: Callable[[], datetime],
    read_secret: ReadSecret = no_secrets,
) -> Node:
    """Return what an agent that has just begun knows of this machine."""
    return Node(
        settings=machine.settings,
        identity=machine.identity,
        records=records,
        ledger=Ledger(),
        facts=lambda: machine.facts,
        clock=clock,
        launches=True,
        contained=machine.contained,
        vm_users=usable(machine.settings),
        read_secret=read_secret,
        boot_files=machine.boot_files,
        shutdown=HostShutdown(machine.settings.run_directory, machine.identity.boot_id),
    )


class World:
    """One placement on this machine, and as many agents, one after the other, as it takes."""

    def __init__(
        self,
        machine: Machine,
        patch: pytest.MonkeyPatch,
        *,
        loses_state: bool = False,
        backend: str = "QEMU",
        facts: NodeTruthStatus | None = None,
        read_secret: ReadSecret = no_secrets,
        name: str = "vm",
        **launch: object,
    ) -> None:
        self.uid = str(uuid.uuid4())
        architecture = machine.facts.cpu.architecture
        self.placement = placement(self.uid, architecture, launch, backend, name)
        self.settings = machine.settings
        self.fuse = Fuse(0)
        self._machine = replace(machine, facts=facts or machine.facts)
        self._patch = patch
        self.read_secret = read_secret
        self._loses_state = loses_state
        self._began = time.monotonic()

    def new_agent(self, fuse: Fuse | None = None) -> PlacementWorker:
        """Begin as a new agent does: with what is on disk and on the API server."""
        fuse = self.fuse = fuse or Fuse(0)

        def spawn(*arguments: object, **options: object) -> int:
            fuse.reach()
            pid = SPAWN(*arguments, **options)
            fuse.reach()
            return pid

        self._patch.setattr(processes, "spawn", spawn)
        records = MortalStore(self.settings.state_directory, fuse)
        node = new_node(self._machine, records, self._clock, self.read_secret)
        worker = PlacementWorker(node, self.placement, node.records.load_all().get(self.uid))
        worker.hold_claim()
        return worker

    def take_status(self, told: dict[str, object]) -> None:
        """Keep a status as the API server does."""
        status = self.placement.status.model_validate(told)
        self.placement = self.placement.model_copy(update={"status": status})

    def _clock(self) -> datetime:
        """Return a time of day that runs fast: pauses are about it, deadlines are not."""
        return now_here() + CLOCK_RUNS * timedelta(seconds=time.monotonic() - self._began)

    async def agent(self, until: Callable[[LaunchRecord], bool], *, kill_at: int = 0) -> bool:
        """Run one agent until something is the case, or until it is killed; say whether it was."""
        worker = self.new_agent(Fuse(kill_at))
        try:
            await self.carry_on(worker, until)
        except KilledError:
            if self._loses_state:
                folder = self.settings.state_directory / "placements" / self.uid
                shutil.rmtree(folder, ignore_errors=True)
            return True
        else:
            return False
        finally:
            worker.let_go()  # of a dead agent the kernel closes what was open
            await asyncio.sleep(0)

    async def carry_on(
        self, worker: PlacementWorker, until: Callable[[LaunchRecord], bool]
    ) -> None:
        """Step, and report every step, until something is the case."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            pause = await worker.step()
            self.take_status(worker.status())
            worker.placement = self.placement
            if until(worker.record):
                return
            assert time.monotonic() < deadline, f"{worker.record.trace}"
            await asyncio.sleep(min(pause, 0.05))

    async def carry_on_without(self, until: Callable[[], bool]) -> None:
        """Wait until something is the case while no agent runs."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    def delete(self) -> None:
        """Delete the placement on the API server."""
        metadata = self.placement.metadata.model_copy(update={"deletion_timestamp": now_here()})
        self.placement = self.placement.model_copy(update={"metadata": metadata})

    @property
    def record(self) -> LaunchRecord:
        """What is on disk."""
        return RecordStore(self.settings.state_directory).load_all()[self.uid]

    @property
    def paths(self) -> VmPaths:
        """Where its VM is."""
        return paths_of(self.settings, self.uid)

    def vms(self) -> list[int]:
        """Return the processes that carry the placement's marker."""
        return list(find_marked(self.uid, self.settings.cluster_uid))

    def remains(self) -> list[Path]:
        """Return what is left on the machine beside processes and the record."""
        groups = [root / cgroup.PARENT / self.uid for root in cgroup.hierarchies()]
        return [path for path in (*groups, self.paths.run, self.paths.disks) if path.exists()]

    def close(self) -> None:
        """End what a failed test left behind."""
        for pid in self.vms():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while self.vms() or not clean(self.paths, self.uid if self._machine.contained else None):
            assert time.monotonic() < deadline, f"{self.remains()} cannot be removed"
            time.sleep(0.01)


def placement(
    uid: str,
    architecture: str,
    launch: dict[str, object],
    backend: str = "QEMU",
    name: str = "vm",
) -> VMPlacement:
    """Return a placement as the API server would give it, but for what ``launch`` says."""
    whole = {
        "runtimeClass": "VirtualMachine",
        "architecture": architecture,
        "acceleration": "Emulated",
        "vcpus": 1,
        "memory": "128Mi",
        "kernel": {"artifact": "kernel"},
        "initrd": {"artifact": "initrd"},
        "commandLine": "console=ttyS0",
        "restartPolicy": "Always",
        "readiness": {"level": "Backend", "timeoutSeconds": 60},
        "terminationGraceSeconds": 0,
        **launch,
    }
    evidence = {
        "truthDigest": "t",
        "decisionDigest": "d",
        "score": 1,
        "decisionTime": "2026-11-24T12:00:00Z",
        "operatorEpoch": 1,
    }
    spec = {
        "attempt": 1,
        "backend": backend,
        "claim": {"vcpus": 1, "memory": "128Mi", "overheadMemory": "104Mi"},
        "evidence": evidence,
        "launch": whole,
        "mode": "Execute",
        "nodeName": "node",
        "nodeUID": "node-uid",
        "workload": {"generation": 1, "uid": "workload-uid", "namespaceUID": "namespace-uid"},
    }
    metadata = {"name": name, "namespace": "default", "uid": uid}
    return VMPlacement.model_validate({"metadata": metadata, "spec": spec})
