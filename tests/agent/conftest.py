"""What the agent's tests share: a node on real files, its placements, marked processes."""

import os
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmplacement import VMPlacement
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.node import Node
from schedune_agent.record import RecordStore
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes
from schedune_agent.vmm.markers import option_marker
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.qemu.argv import monitor_socket
from schedune_testing.stand_ins import QEMU, write_stand_in

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
CLUSTER = str(uuid.uuid4())
"""Of this run of the tests: another one beside it has marked processes of its own."""
UID = "11111111-2222-3333-4444-555555555555"
CAPACITY = {"vcpus": 2, "memory": "1Gi", "basis": "Declared"}


@dataclass
class Clock:
    """A time of day that passes when it is told to."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_node(tmp_path: Path, clock: Clock) -> Callable[..., Node]:
    """Make the node as a new agent knows it: the files stay, the ledger begins empty."""

    def make(
        name: str = "node", uid: str = "node-uid", cluster: str = CLUSTER, **facts: Any
    ) -> Node:
        settings = AgentSettings.model_validate(
            {
                "kubernetes": {
                    "server": "https://127.0.0.1:1",
                    "caFile": "/ca",
                    "tokenFile": "/token",
                },
                "clusterUID": cluster,
                "runDirectory": str(tmp_path / "run"),
                "stateDirectory": str(tmp_path / "state"),
                "imageRoots": [str(tmp_path)],
                "firstDelaySeconds": 0,
                "writeGapSeconds": 0.1,
                "listWithoutBellSeconds": 0.3,
            }
        )
        told = NodeTruthStatus.model_validate({"capacity": CAPACITY, **facts})
        return Node(
            settings=settings,
            identity=NodeIdentity(name, uid, "machine", BOOT_ID),
            records=RecordStore(settings.state_directory),
            ledger=Ledger(),
            facts=lambda: told,
            clock=clock,
            launches=True,
            contained=False,
            shutdown=HostShutdown(settings.run_directory, BOOT_ID),
        )

    return make


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    return new_node()


@pytest.fixture
def new_placement() -> Callable[..., VMPlacement]:
    """Make placements as the API server would give them."""

    def make(
        uid: str = UID,
        *,
        deleted: bool = False,
        vcpus: int = 1,
        status: dict[str, Any] | None = None,
        node_name: str = "node",
        node_uid: str = "node-uid",
        **launch: Any,
    ) -> VMPlacement:
        metadata: dict[str, Any] = {"name": f"vm-{uid[:4]}", "namespace": "default", "uid": uid}
        metadata["finalizers"] = ["schedune.io/vm"]
        if deleted:
            metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
        spec = {**_SPEC, "launch": {**_LAUNCH, "vcpus": vcpus, **launch}}
        spec["claim"] = {"vcpus": vcpus, "memory": "64Mi", "overheadMemory": "16Mi"}
        spec |= {"nodeName": node_name, "nodeUID": node_uid}
        return VMPlacement.model_validate(
            {"metadata": metadata, "spec": spec, "status": status or {}}
        )

    return make


_LAUNCH: dict[str, Any] = {
    "runtimeClass": "VirtualMachine",
    "architecture": "amd64",
    "acceleration": "Emulated",
    "memory": "64Mi",
    "kernel": {"artifact": "kernel"},
    "restartPolicy": "Always",
    "readiness": {"level": "Guest", "timeoutSeconds": 5},
    "terminationGraceSeconds": 0,
}
_SPEC: dict[str, Any] = {
    "attempt": 1,
    "backend": "QEMU",
    "evidence": {
        "truthDigest": "t",
        "decisionDigest": "d",
        "score": 1,
        "decisionTime": "2026-11-24T12:00:00Z",
        "operatorEpoch": 1,
    },
    "mode": "Execute",
    "workload": {"generation": 1, "uid": "workload-uid"},
}

StartMarked = Callable[..., "subprocess.Popen[bytes]"]
_LOWLY = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "--"]


@pytest.fixture
def programs() -> Iterator[Path]:
    """A folder whose programs every user may execute."""
    with TemporaryDirectory(prefix="schedune-programs-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shutdown(node: Node) -> HostShutdown:
    """The order for this host, in folders that are there as an agent makes them."""
    for folder in (node.settings.run_directory, node.settings.state_directory):
        folder.mkdir()
    return HostShutdown(node.settings.run_directory, BOOT_ID)


@pytest.fixture
def start_marked(tmp_path: Path, programs: Path) -> Iterator[StartMarked]:
    """Start stand-ins for a placement's VMM, with the command line of one; they do nothing.

    ``program`` is the name of what is executed, ``run`` another run directory, ``prefix``
    comes before the options, as of a program that runs another one; ``user`` is who runs it.
    One that is ``lowly`` has fewer rights than we: an agent without CAP_SYS_PTRACE sees it.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(
        uid: str = UID,
        cluster: str = CLUSTER,
        *,
        program: str = QEMU,
        run: Path | None = None,
        prefix: Sequence[str] = (),
        forks: bool = False,
        user: int | None = None,
        lowly: bool = False,
    ) -> "subprocess.Popen[bytes]":
        binary = programs / ("forking" if forks else "bin") / program
        if not binary.exists():
            write_stand_in(binary, forks=forks)
        argv = [*prefix, *vmm_argv(uid, cluster, run or tmp_path / "run")]
        begun, executed = argv, str(binary)
        if lowly:
            argv = [str(binary), *argv[1:]]
            begun, executed = [*_LOWLY, *argv], _LOWLY[0]
        process = subprocess.Popen(begun, executable=executed, start_new_session=True, user=user)
        started.append(process)
        deadline = time.monotonic() + 10
        while dict(processes.list_command_lines()).get(process.pid, [])[: len(argv)] != argv:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def vmm_argv(uid: str, cluster: str, run: Path) -> list[str]:
    """Return the beginning of a command line as QEMU's adapter writes it, and its socket."""
    socket = monitor_socket(VmPaths(run / uid, run))
    return [
        QEMU, "-name", f"guest={uid},debug-threads=on", "-fw_cfg", option_marker(uid, cluster),
        "-smp", "1", "-m", "64M", "-machine", "q35", "-accel", "tcg",
        "-chardev", f"socket,id=mon0,path={socket},server=on,wait=off",
    ]  # fmt: skip


@pytest.fixture
def unmarked() -> Iterator["subprocess.Popen[bytes]"]:
    """A process like any other."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def marked(start_marked: StartMarked) -> "subprocess.Popen[bytes]":
    """A process that carries the marker of the placement UID."""
    return start_marked()


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """Let files of this process hold 100 bytes at most: the kernel writes that, then refuses."""

    @contextmanager
    def fill() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return fill
