"""How hard the node works: PSI, or the load where the kernel has no PSI. Only for alarms."""

import math
import re
from typing import Final

from schedune.evidence.health import Level
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader
from schedune_agent.system.host_files import HostFiles

_AVERAGE: Final = re.compile(r"^(some|full) .*?avg60=([0-9]{1,3}(?:\.[0-9]{1,2})?)", re.MULTILINE)
_LOAD: Final = re.compile(r"[0-9.]{1,12} ([0-9]{1,7}\.[0-9]{1,2}) ")
_PSI: Final = (
    ("cpu", "some", "cpu_waiting_percent"),
    ("memory", "full", "memory_stalled_percent"),
    ("io", "full", "io_stalled_percent"),
)


class PressureFamily:
    """The pressure of the last minute."""

    name = "pressure"
    deadline_s = 1.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read the pressure; a kernel without PSI (or with psi=0) tells its load."""
        reader = PartialReader(self._files)
        levels = []
        for resource, kind, name in _PSI:
            text = reader.text(f"proc/pressure/{resource}") or ""
            found = dict(_AVERAGE.findall(text)).get(kind)
            if found is not None and float(found) <= 100:
                levels.append(Level(name, float(found)))
        if not any(one.name == _PSI[0][2] for one in levels):
            levels += _load(reader)
        return Part(levels=levels, unread=reader.unread)


def _load(reader: PartialReader) -> list[Level]:
    found = _LOAD.match(reader.text("proc/loadavg") or "")
    cpus = reader.cpus("sys/devices/system/cpu/online")
    if found is None or not cpus or not math.isfinite(float(found[1])):
        return []
    return [Level("load_per_cpu", float(found[1]) / len(cpus))]
