"""The scores, each one question with a number from 0 to 100 for every node."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from schedune.fleet.fleet import Column, Fleet
from schedune.launch.intent import Intent
from schedune.launch.overhead import qemu_overhead


@dataclass(frozen=True)
class Score:
    """One part of the total."""

    name: str
    weight: int
    rate: Callable[[Fleet, Intent], Column]


def _percent(part: Column, whole: Column) -> Column:
    return np.where(whole > 0, np.clip(part * 100 // np.maximum(whole, 1), 0, 100), 0)


def rate_free_memory(fleet: Fleet, intent: Intent) -> Column:
    """Prefer nodes on which much memory is left after placing."""
    needed = intent.memory_bytes + qemu_overhead(intent.vcpus, intent.acceleration)
    return _percent(fleet.free_memory - needed, fleet.memory)


def rate_free_vcpus(fleet: Fleet, intent: Intent) -> Column:
    """Prefer nodes on which many vCPUs are left after placing."""
    return _percent(fleet.free_vcpus - intent.vcpus, fleet.vcpus)


def rate_calm(fleet: Fleet, intent: Intent) -> Column:
    """Prefer nodes without alarms: 100 without, 20 less for each."""
    alarms = [
        len(facts.health.alarms) if facts is not None and facts.health is not None else 5
        for facts in (fleet.facts(index) for index in range(len(fleet)))
    ]
    return np.maximum(0, 100 - 20 * np.array(alarms, np.int64))


SCORES: tuple[Score, ...] = (
    Score("FreeMemory", 2, rate_free_memory),
    Score("FreeVCPUs", 2, rate_free_vcpus),
    Score("Calm", 1, rate_calm),
)


def total(parts: Sequence[Column], scores: Sequence[Score]) -> Column:
    """Return the weighted mean of the parts, 0 to 100."""
    weights = sum(score.weight for score in scores)
    summed = sum(
        (part * score.weight for part, score in zip(parts, scores, strict=True)),
        np.zeros_like(parts[0]),
    )
    return np.asarray(summed // weights, np.int64)
