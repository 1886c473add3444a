"""What the tests with real VMs share: a real kernel, the facts of this machine, agents that die."""

import asyncio
import os
import platform
import shutil
import signal
import struct
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schedune.api.nodetruth import ArtifactKind, NodeTruthStatus
from schedune.api.vmplacement import VMPlacement
from schedune_agent.facts import Probes
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.placement_base import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.probes import artifacts
from schedune_agent.record import LaunchRecord, RecordStore
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import find_marked
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.process import clean, paths_of
from schedune_agent.vmm.qemu.overlay import empty_image
from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu

HERE = Path(__file__).resolve().parent
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
PATIENCE_S = 60.0
LOOK_S = 60
"""For a look at an image: an emulated machine needs many times what a real one does."""
SPAWN = processes.spawn
GREETING = b"the firmware greets\r\n"
EMPTY_STORE = (bytes(0x28) + b"_FVH").ljust(65536, b"\0")
"""A volume of firmware, by the sign at 0x28, in which nothing is."""
NAMESPACE_UID = "namespace-uid"
DATA = b"from the base"
"""What the artefact ``data``, a raw disk of 1Mi, begins with."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.vm)


@dataclass(frozen=True)
class Machine:
    """This machine as its agent knows it."""

    settings: AgentSettings
    identity: NodeIdentity
    facts: NodeTruthStatus
    contained: bool


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Take the facts once: kernel, initrd and QEMU are real. The folder is short for sockets."""
    ensure_qemu()
    kernel = ensure_kernel()
    folder = Path(tempfile.mkdtemp(prefix="schedune-vm-"))
    images = folder / "images"
    images.mkdir()
    shutil.copyfile(kernel.image, images / "kernel")
    build_initrd(ensure_busybox(), kernel, images / "initrd")
    (images / "data").write_bytes(DATA.ljust(2**20, b"\0"))
    (images / "off").write_bytes(_OFF_AT_ONCE[platform.machine()]())
    put_bad_files(images)
    (images / "tiny_CODE.fd").write_bytes(tiny_firmware())
    (images / "tiny_VARS.fd").write_bytes(EMPTY_STORE)
    settings = AgentSettings.model_validate(
        {
            "kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/token"},
            "clusterUID": str(uuid.uuid4()),
            "runDirectory": str(folder / "run"),
            "stateDirectory": str(folder / "state"),
            "imageRoots": [str(images)],
            "portForwardAddress": "127.0.0.1",
            "capacity": {"vcpus": 4, "memory": "4Gi"},
        }
    )
    identity = NodeIdentity("node", "node-uid", "machine", BOOT_ID)
    contained = cgroup.can_contain()
    probes = Probes(settings, identity, "Cgroup" if contained else "Session", _now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "_LOOK_S", LOOK_S)
        facts = asyncio.run(_settled(probes))
    yield Machine(settings, identity, facts, contained)
    shutil.rmtree(folder)


async def _settled(probes: Probes) -> NodeTruthStatus:
    """Take facts until every probe was through: on a busy host not in the first round."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while True:
        facts = await probes.take_facts()
        late = [one.name for one in facts.capabilities if one.value == "timeout"]
        unknown = [one for one in facts.artifacts if one.kind is ArtifactKind.UNKNOWN]
        unseen = [one.refusal for one in unknown if one.name != "folder"]
        if facts.backends and not (late or unseen):
            return facts
        assert time.monotonic() < deadline, (late, unseen, facts.probes)


def _now() -> datetime:
    return datetime.now(UTC)


def _off_amd64() -> bytes:
    """Return a bzImage whose real-mode code writes "soft off" into the port of ACPI's PM1a."""
    image = bytearray(2048)
    image[0x1F1] = 1  # one sector of setup follows the first
    image[0x1FE:0x206] = b"\x55\xaa\xeb\x3e" + b"HdrS"  # jump to 0x240
    struct.pack_into("<H", image, 0x206, 0x20C)  # boot protocol
    image[0x211] = 1  # the rest is loaded high
    struct.pack_into("<I", image, 0x22C, 0x37FFFFFF)  # where an initrd may end
    image[0x236] = 1  # has a 64-bit entry: so it says that it is for amd64
    code = bytes.fromhex("ba0406 b80020 ef f4 ebfd")  # dx=0x604, ax=0x2000, out, hlt, loop
    image[0x240 : 0x240 + len(code)] = code
    return bytes(image)


def _off_arm64() -> bytes:
    """Return an Image that asks PSCI for SYSTEM_OFF."""
    branch, w0_low, w0_high, hvc, stay = 0x14000010, 0x52800100, 0x72B08000, 0xD4000002, 0x14000000
    header = struct.pack("<IIQQQQQQ4sI", branch, 0, 0, 4096, 0, 0, 0, 0, b"ARM\x64", 0)
    return (header + struct.pack("<IIII", w0_low, w0_high, hvc, stay)).ljust(4096, b"\0")


def put_bad_files(images: Path) -> None:
    """Put there what no VM may be launched from."""
    (images / "folder").mkdir()
    (images / "foreign").write_bytes(_foreign_kernel())
    header = empty_image(2**30)
    (images / "backed").write_bytes(header[:8] + struct.pack(">QI", 512, 8) + header[20:])
    (images / "endless").write_bytes(header[:24] + struct.pack(">Q", 2**60) + header[32:])


def _foreign_kernel() -> bytes:
    """Return a kernel for the other architecture."""
    return (_off_arm64 if platform.machine() == "x86_64" else _off_amd64)()


def tiny_firmware() -> bytes:
    """Return firmware for amd64 that greets on the first serial port and powers off."""
    code = bytes.fromhex("baf803") + b"".join(b"\xb0%c\xee" % one for one in GREETING)
    # By way of PCI's configuration ports, give ACPI's registers their place: 0x600.
    code += bytes.fromhex("baf80c 66b840f80080 66ef bafc0c 66b801060000 66ef")
    code += bytes.fromhex("baf80c 66b844f80080 66ef bafc0c b080 ee")
    code += bytes.fromhex("ba0406 b80020 ef f4 ebfd")  # soft off, as above
    image = bytearray(EMPTY_STORE)
    image[0xFE00 : 0xFE00 + len(code)] = code
    image[0xFFF0:0xFFF3] = b"\xe9" + struct.pack("<h", 0xFE00 - 0xFFF3)
    return bytes(image)


_OFF_AT_ONCE = {"x86_64": _off_amd64, "aarch64": _off_arm64}
"""Guests that power off at once: a whole boot under emulation is slow, and may hang (on a
busy machine one in ten did)."""


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


class World:
    """One placement on this machine, and as many agents, one after the other, as it takes."""

    def __init__(
        self,
        machine: Machine,
        patch: pytest.MonkeyPatch,
        *,
        loses_state: bool = False,
        **launch: object,
    ) -> None:
        self.uid = str(uuid.uuid4())
        self.placement = _placement(self.uid, machine.facts.cpu.architecture, launch)
        self.settings = machine.settings
        self._machine = machine
        self._patch = patch
        self._loses_state = loses_state
        self._began = time.monotonic()

    def new_agent(self, fuse: Fuse | None = None) -> PlacementWorker:
        """Begin as a new agent does: with what is on disk and on the API server."""
        fuse = fuse or Fuse(0)

        def spawn(*arguments: object, **options: object) -> int:
            fuse.reach()
            pid = SPAWN(*arguments, **options)
            fuse.reach()
            return pid

        self._patch.setattr(processes, "spawn", spawn)
        node = Node(
            settings=self.settings,
            identity=self._machine.identity,
            records=MortalStore(self.settings.state_directory, fuse),
            ledger=Ledger(),
            facts=lambda: self._machine.facts,
            clock=self._clock,
            launches=True,
            contained=self._machine.contained,
        )
        worker = PlacementWorker(node, self.placement, node.records.load_all().get(self.uid))
        worker.hold_claim()
        return worker

    def _clock(self) -> datetime:
        """Return a time of day that runs fast: pauses are about it, deadlines are not."""
        return _now() + 100 * timedelta(seconds=time.monotonic() - self._began)

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
            status = self.placement.status.model_validate(worker.status())
            self.placement = self.placement.model_copy(update={"status": status})
            worker.placement = self.placement
            if until(worker.record):
                return
            assert time.monotonic() < deadline, f"{worker.record.trace}"
            await asyncio.sleep(min(pause, 0.05))

    def delete(self) -> None:
        """Delete the placement on the API server."""
        metadata = self.placement.metadata.model_copy(update={"deletion_timestamp": _now()})
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


@pytest.fixture
def new_world(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Make worlds, and leave nothing of them."""
    worlds: list[World] = []

    def make(**options: object) -> World:
        worlds.append(World(machine, monkeypatch, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def _placement(uid: str, architecture: str, launch: dict[str, object]) -> VMPlacement:
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
        "backend": "QEMU",
        "claim": {"vcpus": 1, "memory": "128Mi", "overheadMemory": "104Mi"},
        "evidence": evidence,
        "launch": whole,
        "mode": "Execute",
        "nodeName": "node",
        "nodeUID": "node-uid",
        "workload": {"generation": 1, "uid": "workload-uid", "namespaceUID": NAMESPACE_UID},
    }
    metadata = {"name": "vm", "namespace": "default", "uid": uid}
    return VMPlacement.model_validate({"metadata": metadata, "spec": spec})
