"""The two ends that a guest's serial line can have: the ring that is kept, or somebody at it.

QEMU changes one for the other while the guest runs, and tells it nothing of that. Before
QEMU 10 a line has no two ends at once: whoever is at it keeps what comes, and when he is
gone the ring is put back, by himself or by the agent.
"""

from pathlib import Path
from typing import Any, Final

from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.qemu.argv import CONSOLE, RING_BYTES
from schedune_agent.vmm.qemu.qmp import QmpClient

_RING: Final[dict[str, Any]] = {"type": "ringbuf", "data": {"size": RING_BYTES}}
_NOBODY: Final = "disconnected:"


def line_socket(paths: VmPaths) -> Path:
    """Return where one sits down at the guest's serial line."""
    return paths.run / "t.sock"


async def open_line(monitor: QmpClient, path: Path) -> None:
    """Give the line an end at which one may sit down.

    Raises:
        QmpError: it cannot be changed: QEMU's serial device of arm64 does not let itself be.
    """
    there = {"type": "unix", "data": {"path": str(path)}}
    socket = {"type": "socket", "data": {"addr": there, "server": True, "wait": False}}
    await monitor.execute("chardev-change", {"id": CONSOLE, "backend": socket})


async def close_line(monitor: QmpClient) -> None:
    """Put the ring back.

    Raises:
        QmpError: QEMU did not do it.
    """
    await monitor.execute("chardev-change", {"id": CONSOLE, "backend": _RING})


async def close_if_left(monitor: QmpClient) -> None:
    """Put the ring back if nobody sits at the line any more.

    Raises:
        QmpError: QEMU did not answer.
    """
    told = await monitor.execute("query-chardev")
    ends = [one["filename"] for one in told if one["label"] == CONSOLE]
    if any(end.startswith(_NOBODY) for end in ends):
        await close_line(monitor)
