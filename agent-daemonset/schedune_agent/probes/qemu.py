"""Which QEMU is here, and what can it do? Asked of the binary itself, once per binary."""

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import BackendFact
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import probes as codes
from schedune.launch.traits import LEAN_DEVICES, MICROVM, NETDEV
from schedune_agent.probes.binaries import (
    BinarySearch,
    Sighting,
    UnansweredError,
    ask_version,
    digest,
)
from schedune_agent.probes.vmm import BinaryFamily, Words
from schedune_agent.system.child import run_child
from schedune_agent.system.place import HERE, Place
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError

BINARIES: Final = {
    "amd64": ("qemu-system-x86_64", "qemu-kvm"),
    "arm64": ("qemu-system-aarch64", "qemu-kvm"),
}
"""Names of the QEMU for guests of the node's own architecture; Red Hat's has the second."""
_TARGETS: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_VERSION: Final = re.compile(
    r"QEMU emulator version (\d{1,5}\.\d{1,5}\.\d{1,5})(?: \(.*\))?\s*$", re.ASCII
)
_DEADLINE_S: Final = 5.0
_ACCELERATIONS: Final = {
    Acceleration.KVM.value: "kvm-accel",
    Acceleration.EMULATED.value: "tcg-accel",
}


class QemuFamily(BinaryFamily):
    """QEMU, asked by QMP."""

    backend = Backend.QEMU
    name = "qemu"
    words = Words(
        codes.CAP_QEMU_PRESENT,
        codes.CAP_QEMU_MISSING,
        "--version, QMP",
        codes.CAP_QEMU_UNANSWERED,
    )

    def __init__(self, architecture: str, search: BinarySearch, run: Path | None = None) -> None:
        """Remember where its monitor may be; None: wherever temporary files are."""
        super().__init__(architecture, search)
        self._run = run
        self.names = BINARIES.get(architecture, ())

    async def ask(self, found: Sighting, *others: Sighting | None) -> BackendFact:
        """Ask for its version, and by QMP for machines and devices."""
        del others
        line, version = await ask_version(found.path, _VERSION, self.search.place)
        try:
            said = await ask_capabilities(Path(found.path), self.search.place, self._run)
        except (QmpError, OSError, KeyError, TypeError) as error:
            raise UnansweredError(f"{found.path} over QMP: {error}") from error
        if said.target != _TARGETS[self.architecture]:
            raise UnansweredError(f"{found.path} runs guests of {said.target[:32]!r}")
        wanted = (self.traits.machines[self.architecture], MICROVM)
        devices = self.traits.all_devices | (LEAN_DEVICES if MICROVM in said.machines else set())
        return BackendFact(
            name=self.backend,
            path=found.path,
            version=version[1],
            version_line=line,
            sha256=await digest(found, self.search.place),
            architecture=self.architecture,
            accelerations=[kind for kind, one in _ACCELERATIONS.items() if one in said.types],
            machine_types=[one for one in wanted if one in said.machines],
            features=sorted(devices.intersection(said.features)),
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What a QEMU says of itself."""

    target: str
    machines: Sequence[str]
    types: Sequence[str]
    drivers: Sequence[str]
    """Of networks: names of types are a build's own, so they are no types."""

    @property
    def features(self) -> Sequence[str]:
        """Return devices and network drivers as a truth names them."""
        return [*self.types, *(f"{NETDEV}{one}" for one in self.drivers)]


async def ask_capabilities(path: Path, place: Place = HERE, run: Path | None = None) -> Said:
    """Ask a binary by QMP for its target, machine types and object types.

    ``run`` is a folder that is the same here and where the binary runs.

    Raises:
        QmpError: it does not answer.
        OSError: it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="schedune-qemu-", dir=run) as folder:
        socket = Path(folder) / "q.sock"
        argv = [
            str(path), "-M", "none", "-nodefaults", "-no-user-config", "-display", "none",
            "-monitor", "none", "-S", "-qmp", f"unix:{socket},server=on,wait=off",
        ]  # fmt: skip
        command = place.program(argv)
        child = asyncio.create_task(run_child(command, deadline_s=_DEADLINE_S, may_flood=False))
        try:
            return await _converse(socket, child)
        finally:
            # It quit, or it failed: either way nothing more is wanted of it.
            child.cancel()
            await asyncio.wait([child])


async def _converse(socket: Path, child: "asyncio.Task[object]") -> Said:
    client = await _connect(socket, child)
    try:
        target = await client.execute("query-target")
        machines = await client.execute("query-machines")
        types = await client.execute("qom-list-types")
        drivers = network_drivers(await client.execute("query-qmp-schema"))
    finally:
        client.close()
    names = [one["name"] for one in machines] + [one["alias"] for one in machines if "alias" in one]
    return Said(str(target["arch"]), names, [one["name"] for one in types], drivers)


def network_drivers(schema: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return what ``netdev_add`` takes as its type.

    Raises:
        KeyError: the schema has no such command.
    """
    known = {one["name"]: one for one in schema}
    options = known[known["netdev_add"]["arg-type"]]
    tag = next(one for one in options["members"] if one["name"] == options["tag"])
    return [str(one) for one in known[tag["type"]]["values"]]


async def _connect(socket: Path, child: "asyncio.Task[object]") -> QmpClient:
    """Connect as soon as it listens: the socket is there a moment before it does."""
    while not child.done():
        if socket.exists():
            try:
                return await QmpClient.connect(socket, timeout_s=_DEADLINE_S)
            except QmpError as error:
                if not isinstance(error.__cause__, ConnectionRefusedError):
                    raise
        await asyncio.sleep(0.01)
    raise QmpError("it ended before it listened")
