"""Which QEMU is here, and what can it do? Asked of the binary itself, once per binary."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import BackendFact, CapabilityState
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import probes as codes
from schedune.codes.row import Row
from schedune.launch.traits import NETDEV, TRAITS
from schedune_agent.probes.family import Answer, Part
from schedune_agent.system.child import run_child
from schedune_agent.vmm.qemu.qmp import QmpClient, QmpError

BINARIES: Final = {"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}
SEARCH_PATH: Final = "/usr/local/bin:/usr/bin:/opt/schedune/bin:/usr/libexec"
_VERSION: Final = re.compile(r"QEMU emulator version (\d+\.\d+\.\d+)", re.ASCII)
_DEADLINE_S: Final = 5.0
_TRAITS: Final = TRAITS[Backend.QEMU]

_Key = tuple[int, int, int, int]


class QemuFamily:
    """Finds QEMU for guests of the node's own architecture."""

    name = "qemu"
    deadline_s = 3 * _DEADLINE_S
    answers_for = (_TRAITS.capability,)

    def __init__(self, architecture: str, search_path: str = SEARCH_PATH) -> None:
        self._architecture = architecture
        self._search_path = search_path
        self._asked: dict[_Key, BackendFact] = {}

    async def __call__(self) -> Part:
        """Return what is known of it; no backend: there is none."""
        name = BINARIES.get(self._architecture)
        found = shutil.which(name, path=self._search_path) if name else None
        if found is None:
            missing = f"QEMU for {self._architecture}"
            return Part(
                answers=[_answer(CapabilityState.UNSUPPORTED, codes.CAP_QEMU_MISSING, missing)]
            )
        path = Path(found).resolve()
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._asked:
            self._asked = {key: await self._ask(path)}
        fact = self._asked[key]
        present = _answer(CapabilityState.SUPPORTED, codes.CAP_QEMU_PRESENT, fact.version_line)
        return Part(facts={"backends": [fact]}, answers=[present])

    async def _ask(self, path: Path) -> BackendFact:
        result = await run_child([str(path), "--version"], deadline_s=_DEADLINE_S)
        line = result.stdout.decode(errors="replace").partition("\n")[0].strip()[:256]
        version = _VERSION.match(line)
        machines, types = await ask_capabilities(path) if version else ([], [])
        wanted = _TRAITS.machines.get(self._architecture, "")
        return BackendFact(
            name=Backend.QEMU,
            path=str(path),
            version=version[1] if version else None,
            version_line=line,
            architecture=self._architecture,
            accelerations=[
                kind for kind, kind_type in _ACCELERATIONS.items() if kind_type in types
            ],
            machine_types=[wanted] if wanted in machines else [],
            features=sorted(_TRAITS.all_devices.intersection(types)),
        )


_ACCELERATIONS: Final = {
    Acceleration.KVM.value: "kvm-accel",
    Acceleration.EMULATED.value: "tcg-accel",
}


def _answer(state: CapabilityState, row: Row, seen: str) -> Answer:
    return Answer(
        _TRAITS.capability, state, row, seen, source="search path", method="--version and QMP"
    )


async def ask_capabilities(path: Path) -> tuple[Sequence[str], Sequence[str]]:
    """Ask a binary by QMP for its machine types, and for its object types and network drivers.

    Raises:
        QmpError: it does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="schedune-qemu-") as folder:
        socket = Path(folder) / "q.sock"
        argv = [
            str(path), "-M", "none", "-nodefaults", "-no-user-config", "-display", "none",
            "-monitor", "none", "-S", "-qmp", f"unix:{socket},server=on,wait=off",
        ]  # fmt: skip
        child = asyncio.create_task(run_child(argv, deadline_s=_DEADLINE_S))
        try:
            client = await _connect(socket, child)
            machines = await client.execute("query-machines")
            types = await client.execute("qom-list-types")
            drivers = network_drivers(await client.execute("query-qmp-schema"))
            await client.execute("quit")
            client.close()
        finally:
            await child
    names = [one["name"] for one in machines] + [one["alias"] for one in machines if "alias" in one]
    return names, [one["name"] for one in types] + [f"{NETDEV}{one}" for one in drivers]


def network_drivers(schema: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return what ``netdev_add`` takes as its type: names of types are a build's own."""
    known = {one["name"]: one for one in schema}
    options = known[known["netdev_add"]["arg-type"]]
    tag = next(one for one in options["members"] if one["name"] == options["tag"])
    return [str(one) for one in known[tag["type"]]["values"]]


async def _connect(socket: Path, child: "asyncio.Task[object]") -> QmpClient:
    while not socket.exists():
        if child.done():
            raise QmpError(f"QEMU ended before it listened: {child.result()}")
        await asyncio.sleep(0.01)
    return await QmpClient.connect(socket, timeout_s=_DEADLINE_S)
