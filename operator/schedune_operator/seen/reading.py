"""What may be read of the operator's world at any moment, without disturbing a decision."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.fleet.fleet import Fleet
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.cache import WorkloadCache
from schedune_operator.world import World


@dataclass(frozen=True)
class Reading:
    """A look over the operator's shoulder."""

    world: World
    cache: WorkloadCache
    leading: Callable[[], bool]
    clock: Callable[[], datetime]
    policy: SchedulingPolicy
    expire_s: float
    """After this much silence nothing is known of a node any more."""

    def fleet(self) -> Fleet:
        """Return the fleet; of a leader as its last decision saw it.

        Only whoever decides may bring the fleet up to date: a decision and its explanation
        have to see the same. A standby decides nothing, so that here it can be done for it.
        """
        return self.world.seen_fleet() if self.leading() else self.world.fleet()

    def workloads(self) -> dict[Key, Raw]:
        """Return every workload as it was last seen."""
        return self.cache.workloads
