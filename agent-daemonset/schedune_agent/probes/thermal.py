"""How near each sensor is to its critical point. Only for alarms: heat is no fact.

A sensor may sit behind a slow bus or a broken controller, so they are read in a child.
"""

from collections.abc import Iterator
from typing import Final

from schedune.evidence.health import Level
from schedune_agent.probes.asking import Reply, ask
from schedune_agent.probes.family import Part
from schedune_agent.probes.partial import PartialReader, parse_number, printable
from schedune_agent.system.host_files import HostFiles

_ZONES: Final = "sys/class/thermal"
_SENSORS: Final = "sys/class/hwmon"
_MOST: Final = 64
_SENSIBLE: Final = range(-60_000, 250_000)
"""Thousandths of a degree Celsius; a sensor that says something else is broken."""
Points = tuple[str, str, str]
"""Subject, and the paths of its temperature and of its critical point."""


class ThermalFamily:
    """The temperatures."""

    name = "thermal"
    deadline_s = 4.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Read the sensors that have a critical point."""
        reader = PartialReader(self._files)
        points = [*_zones(reader), *_sensors(reader)][:_MOST]
        paths = [path for _, *pair in points for path in pair]
        questions = [{"do": "read", "path": str(self._files.root / path)} for path in paths]
        replies = dict(zip(paths, await ask(questions, deadline_s=1.0), strict=True))
        for path, reply in replies.items():
            if not reply.is_answer:
                reader.note(path, reply.error)
        levels = [
            Level("heat_margin", margin, subject)
            for subject, now, most in points
            if (margin := _margin(replies[now], replies[most])) is not None
        ]
        return Part(levels=levels, unread=reader.unread)


def _zones(reader: PartialReader) -> Iterator[Points]:
    for zone in reader.names(_ZONES, _MOST):
        names = reader.names(f"{_ZONES}/{zone}") if zone.startswith("thermal_zone") else []
        for name in names:
            if name.startswith("trip_point_") and name.endswith("_type"):
                folder = f"{_ZONES}/{zone}"
                if reader.text(f"{folder}/{name}") == "critical":
                    kind = reader.line(f"{folder}/type", 40) or ""
                    critical = f"{folder}/{name.removesuffix('_type')}_temp"
                    yield printable(f"{zone} {kind}", 80), f"{folder}/temp", critical
                    break


def _sensors(reader: PartialReader) -> Iterator[Points]:
    for chip in reader.names(_SENSORS, _MOST):
        names = reader.names(f"{_SENSORS}/{chip}")
        for name in names:
            number = name.removesuffix("_crit")
            if name != number and number.startswith("temp") and f"{number}_input" in names:
                kind = reader.line(f"{_SENSORS}/{chip}/name", 40) or ""
                folder = f"{_SENSORS}/{chip}/{number}"
                yield printable(f"{chip} {kind} {number}", 80), f"{folder}_input", f"{folder}_crit"


def _margin(now: Reply, most: Reply) -> float | None:
    """Return the degrees that are left; a critical point of 0 or less is none that was set."""
    current, critical = parse_number(str(now.value)), parse_number(str(most.value))
    if current is None or critical is None or critical <= 0:
        return None
    sensible = current in _SENSIBLE and critical in _SENSIBLE
    return (critical - current) / 1000 if sensible else None
