"""What the agent asks of a VMM, whichever it is: one port, an adapter for each.

A placement's worker speaks to this port only. What a VMM can do is asked of it or of
``schedune.launch.traits``; nobody compares its name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from schedune.api.machine import Network
from schedune.api.vmplacement import Claim, Launch, LaunchDisk
from schedune.api.vmworkload import Backend
from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune_agent.record import RECORDS
from schedune_agent.system.launcher import Reach
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.asking import GraceLeft


class VmmError(Exception):
    """The VMM did not do what was asked; the message is for people. It may run all the same."""


class VmmRefusalError(VmmError):
    """The VMM answered that it cannot run this VM: to ask again would not help."""

    @property
    def reason(self) -> Reason:
        """The code that tells it."""
        return Reason(codes.SPAWN_FAILED, str(self))


class PlanError(ValueError):
    """The launch cannot be written down safely for this VMM; the message says why."""


@dataclass(frozen=True, slots=True)
class VmPaths:
    """Where everything of one VM is on this node."""

    run: Path
    """For sockets and logs; on memory, as a rule."""
    disks: Path
    """For what the guest writes; on disk."""

    @property
    def kept(self) -> Path:
        """For what is read after the VM's end too, its console: it goes with the record."""
        return self.disks.parents[1] / RECORDS / self.disks.name

    @property
    def log(self) -> Path:
        """What the VMM itself complains of; where it can put nothing else in its place."""
        return self.kept / "vmm.log"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose VM it is."""

    placement_uid: str
    workload_uid: str
    cluster_uid: str


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Where one disk's bytes are on this node."""

    disk: LaunchDisk
    source: Path | None
    """The artefact; None: the disk begins empty."""
    overlay: Path
    """What the guest writes, where its writes are kept apart."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What firmware boots from."""

    code: Path
    """The artefact; never written."""
    template: Path | None = None
    """The artefact that an empty store of its variables is."""
    variables: Path | None = None
    """This VM's own store, a copy of that; None: there is none."""


@dataclass(frozen=True, slots=True)
class LaunchFiles:
    """The files that the launch's artefacts are on this node."""

    kernel: Path
    """What is booted: the kernel, or the firmware where the launch names no kernel."""
    initrd: Path | None
    disks: tuple[DiskFiles, ...] = ()
    firmware: Firmware | None = None


@dataclass(frozen=True, slots=True)
class Tap:
    """One network card's other end on this node."""

    name: str
    """Of the network device."""
    bridge: str
    descriptor: int | None = None
    """The number under which the VMM finds it open; None: it opens it itself, by its name."""


@dataclass(frozen=True, slots=True)
class LaunchInputs:
    """All that a launch is put together from."""

    binary: str
    launch: Launch
    claim: Claim
    files: LaunchFiles
    paths: VmPaths
    owner: Owner
    forward_address: str
    """IPv4 address of the node on which port forwards listen."""
    features: frozenset[str] = frozenset()
    """What the binary offers, as the node's facts name it."""
    landlock_abi: int = 0
    """Version of the kernel's Landlock; 0: there is none, or nobody knows."""
    machine: str = ""
    """Machine type that the binary has; "": the usual one, or the VMM knows none."""
    taps: Mapping[str, Tap] = field(default_factory=dict)
    """By the name of the network."""

    def tap_of(self, network: Network) -> Tap:
        """Return the tap of a network card.

        Raises:
            PlanError: the network is of another type.
        """
        try:
            return self.taps[network.name]
        except KeyError as error:
            raise PlanError(f"network {network.name}: type {network.type} has no tap") from error


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a VMM's API."""

    method: str
    path: str
    body: str = ""
    """JSON; empty: the request has none."""

    @classmethod
    def of(cls, method: str, path: str, body: object = None) -> Self:
        """Write a request's body down."""
        return cls(method, path, "" if body is None else json.dumps(body))

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read what ``str`` gave."""
        method, path, *body = line.split(" ", 2)
        return cls(method, path, *body)

    def __str__(self) -> str:
        return " ".join(one for one in (self.method, self.path, self.body) if one)


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Exactly what is going to be run: shown by a dry run, kept in the record."""

    binary: str
    """The program; ``argv[0]`` may be something else."""
    argv: tuple[str, ...]
    requests: tuple[Request, ...] = ()
    """What its API is asked once it answers, in this order; the last one starts the guest."""
    taps: tuple[Tap, ...] = ()
    """What is made before it starts."""
    locked: tuple[Path, ...] = ()
    """Disks that it writes and does not lock itself: they are locked as long as it lives."""
    reach: Reach | None = None
    """Which files it can open; None: every one that its user may, or it fences itself in."""


@dataclass(frozen=True, slots=True)
class GuestEnd:
    """How a guest ended, as its VMM tells it."""

    row: Row
    console: tuple[str, ...] = ()
    """What to tell of its console, escaped, where nothing of it was kept."""


class Vm(Protocol):
    """One VM whose process is proved; everything asked of it keeps a deadline."""

    handle: ProcessHandle
    version: str
    """What the VMM said of itself; empty before it was asked."""

    async def await_control(self) -> None:
        """Wait until the VMM, just started, answers at its control socket.

        Raises:
            VmmError: it ended first, or did not answer in time.
        """

    async def verify(self) -> None:
        """Prove that the control socket is this process's, and that it is this VM.

        Raises:
            VmmError: nobody answers, or somebody else does.
        """

    async def begin(self, requests: Sequence[Request]) -> None:
        """Let a guest that never ran run; one that runs, or did, is left alone.

        Raises:
            VmmRefusalError: the VMM cannot run it.
            VmmError: the VMM did not answer.
        """

    async def is_running(self) -> bool:
        """Say whether the VMM says that the guest runs.

        Raises:
            VmmError: the VMM did not answer.
        """

    async def resume(self) -> Reason | None:
        """Let a guest go on that the VMM stopped by itself; say why it had. None: it had not.

        Whom somebody else stopped is left alone.

        Raises:
            VmmError: the VMM did not answer.
        """

    async def guest_end(self) -> GuestEnd | None:
        """Say how the guest ended; None: it has not, or the VMM cannot tell.

        Raises:
            VmmError: the VMM did not answer.
        """

    def exit_seen(self, code: int | None) -> GuestEnd:
        """Say what it means that the process is gone by itself, with this exit code if known."""

    async def stirs(self) -> None:
        """Return once the process has ended, or the VMM says by itself that its guest has.

        What it may cost is bounded, whatever the VMM says. Cancelled, it has lost nothing.
        """

    async def keep_console(self) -> bool:
        """Put what the guest wrote on its console since the last time into ``ConsoleLog``.

        Say whether that was anything.

        Asked at every look, so that it stays bounded and is on disk when the VMM dies. A
        VMM that does not answer has nothing to tell: that is no error here.
        """

    async def ask_guest(self, timeout_s: float) -> str | None:
        """Ask the guest for a nonce; return its boot id if it answered."""

    def remarks(self) -> tuple[Reason, ...]:
        """Say what this VM lacks that its user may count on: told once, after its start."""

    async def stop(self, grace_left: GraceLeft) -> GuestEnd:
        """Climb the ladder until the process is proved gone: ask the guest, the VMM, the kernel.

        The guest has as long as ``grace_left`` says, at each look anew.

        Raises:
            VmmError: even SIGKILL did not end it.
        """

    def close(self) -> None:
        """Let go; the VM runs on."""


class Vmm(Protocol):
    """One adapter: what a launch is for this VMM, and how its processes are spoken to."""

    @property
    def backend(self) -> Backend:
        """Which VMM it is for."""

    def control_socket(self, paths: VmPaths) -> Path:
        """Return where the VMM is asked."""

    def plan(self, inputs: LaunchInputs) -> LaunchPlan:
        """Write a launch down, without effect.

        Raises:
            PlanError: it cannot be written down safely.
        """

    def attach(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> Vm:
        """Take hold of a proved process."""
