"""CPU of the control plane: what it needs at rest, and what is done needs beyond that."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Self

from counters import Counters, read_counters
from table import tell

from schedune_testing.control_plane import ControlPlane

_LOOK_S: Final = 10.0
_CALM_CORES: Final = 0.1
"""No more than this above what it needs at rest is rest again."""
_SLOWER: Final = 2.0
"""By how much a machine may have become slower since what it needs at rest was measured."""
_FALLS: Final = 0.9
"""What is less than this part of the look before is still falling."""
_PATIENCE_S: Final = 900.0
"""10,000 pods are taken away for minutes."""


@dataclass(frozen=True)
class PlaneCpu:
    """API server and etcd, with nodes that beat and nothing else to do."""

    plane: ControlPlane
    at_rest: float
    """Cores."""

    @classmethod
    async def measured(cls, plane: ControlPlane) -> Self:
        """Look for a while."""
        return cls(plane, await _cores(plane))

    def beyond_rest(self, since: Counters) -> float:
        """Return the CPU seconds since a reading that what was done took, not the nodes."""
        now = read_counters(self.plane)
        return now.cpu_s - since.cpu_s - self.at_rest * (now.time_s - since.time_s)

    async def calm(self) -> None:
        """Wait until what was done before is done with: whoever comes next shall not pay for it."""
        deadline, before = time.monotonic() + _PATIENCE_S, float("inf")
        while not self._is_rest(now := await _cores(self.plane), before):
            before = now
            if time.monotonic() > deadline:
                raise SystemExit(f"the control plane is not at rest after {_PATIENCE_S:g} s")

    def _is_rest(self, now: float, before: float) -> bool:
        """Say whether this is rest; on a machine that became slower it takes more than it did."""
        if now <= self.at_rest + _CALM_CORES:
            return True
        return now <= _SLOWER * self.at_rest + _CALM_CORES and now >= _FALLS * before


async def _cores(plane: ControlPlane) -> float:
    before = read_counters(plane)
    await asyncio.sleep(_LOOK_S)
    after = read_counters(plane)
    return (after.cpu_s - before.cpu_s) / (after.time_s - before.time_s)


def tell_plane(seconds: float, count: int) -> None:
    """Print what each of so many cost the control plane."""
    tell("API server and etcd: CPU for each", f"{1000 * seconds / count:.2f} ms")
