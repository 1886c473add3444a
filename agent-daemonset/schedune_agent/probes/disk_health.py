"""What the kernel knows of sick disks. Only for alarms.

Seen: errors that ext4 counted, arrays (md) with missing disks, disks that the kernel took
offline, and a file system remounted read-only (by ``storage``). Not seen: what a disk says of
itself (SMART, NVMe health), which needs the disk's own device and rights of root.
"""

from typing import Final

from schedune.evidence.health import Level
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader, printable
from schedune_agent.system.host_files import HostFiles

_MOST: Final = 256
_OFFLINE: Final = frozenset({"offline", "dead", "transport-offline"})


class DiskHealthFamily:
    """The health of block devices and file systems."""

    name = "disk-health"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read what the kernel counted."""
        reader = PartialReader(self._files)
        levels = []
        for name in reader.names("sys/fs/ext4", _MOST):
            errors = reader.number(f"sys/fs/ext4/{name}/errors_count")
            if errors is not None:
                levels.append(Level("filesystem_errors", errors, printable(name, 64)))
        for name in reader.names("sys/block", _MOST):
            missing = reader.text(f"sys/block/{name}/md/degraded")
            if missing is not None:
                count = reader.parse(f"sys/block/{name}/md/degraded", missing)
                levels += [Level("array_missing_disks", count, name)] if count is not None else []
            state = reader.text(f"sys/block/{name}/device/state")
            if state is not None:
                levels.append(Level("disk_offline", float(state in _OFFLINE), printable(name, 64)))
        return Part(levels=levels, unread=reader.unread)
