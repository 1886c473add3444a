"""Recomputes what every node holds: more than it has is taken back where nothing runs yet.

It cannot come to that by one leader's decisions; by two that believe that they lead it
can (a paused machine, a clock that stood still), or when an administrator takes capacity away.
"""

import logging
from dataclasses import dataclass
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.codes import summary as codes
from schedune.eligibility.capacity import overcommitted_rows
from schedune.fleet.view import View
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_operator.actions import order_stop
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_NOT_LAUNCHED: Final = frozenset({None, PlacementState.PENDING})


@dataclass
class Auditor:
    """Withdraws placements that a node cannot hold and has not begun to launch."""

    client: KubeClient
    world: World
    policy: SchedulingPolicy

    async def audit(self) -> int:
        """Withdraw what is too much, the newest first; return how many nodes hold too much.

        The stop is bound to the version that we saw: an agent that began meanwhile keeps it.
        """
        fleet = self.world.fleet()
        rows = overcommitted_rows(View(fleet), self.policy)
        for name in [fleet.nodes[row].name for row in rows]:
            _LOG.warning("node.overcommitted", extra={"node": name})
            withdrawn = self._newest_not_launched(name)
            if withdrawn is None:
                continue
            try:
                await order_stop(self.client, withdrawn, codes.NODE_OVERCOMMITTED.reason, 0)
            except ApiError as error:
                _LOG.warning("node.not-relieved", extra={"node": name, "error": str(error)})
        return len(rows)

    def _newest_not_launched(self, node_name: str) -> VMPlacement | None:
        """Return one to withdraw; None: all run, or one is on its way out already."""
        found = [self.world.placement(key) for key in self.world.tenants.on(node_name)]
        held = [one for one in found if one is not None and _holds_room(one)]
        if any(one.spec.stop or one.metadata.deletion_timestamp for one in held):
            return None
        waiting = [one for one in held if one.status.state in _NOT_LAUNCHED]
        return max(waiting, key=_age, default=None)


def _holds_room(placement: VMPlacement) -> bool:
    return placement.spec.mode is LaunchMode.EXECUTE and placement.status.ended is None


def _age(placement: VMPlacement) -> tuple[int, str, str]:
    metadata = placement.metadata
    created = metadata.creation_timestamp
    return placement.spec.evidence.operator_epoch, str(created), metadata.name
