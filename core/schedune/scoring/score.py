"""What every score is: a name, a weight, and a number from 0 to 100 for each node."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schedune.api.scheduling_policy import ScoreWeights
from schedune.eligibility.finding import Question
from schedune.fleet.column import Column

Rate = Callable[[Question], Column | None]
"""None: the intent says nothing about it, so it counts nothing."""


@dataclass(frozen=True, slots=True)
class Score:
    """One question about how much a node is liked."""

    name: str
    weight: Callable[[ScoreWeights], int]
    rate: Rate
    claimed: bool = False
    """Whether it changes with what is claimed, and not with the node alone."""


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """One part of the total, for all nodes."""

    name: str
    weight: int
    values: Column


def percent(part: Column, whole: Column) -> Column:
    """Return ``part`` of ``whole`` as 0 to 100; of nothing it is 0."""
    return np.asarray(
        np.where(whole > 0, np.clip(part * 100 // np.maximum(whole, 1), 0, 100), 0), np.int64
    )


def total(parts: list[Part], size: int) -> Column:
    """Return the weighted mean of the parts, 0 to 100."""
    weights = sum(part.weight for part in parts)
    summed = np.zeros(size, np.int64)
    for part in parts:
        summed += part.values * part.weight
    return np.asarray(summed // weights, np.int64) if weights else summed
