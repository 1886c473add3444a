"""What becomes of Persistent disks when a placement ends, and where they are."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from schedune.api.vmplacement import LaunchDisk, PlacementState, VMPlacement
from schedune.api.vmworkload import DiskAccess, LaunchMode, PersistentDiskHome
from schedune.codes import summary as codes
from schedune.lifecycle.transitions import MAY_RUN

MOST_HOMES: Final = 16


class DiskFate(StrEnum):
    """What the agent does before it lets an ended placement go."""

    KEEP = "Keep"
    AWAIT = "Await"
    """The operator has not said yet whether the workload is gone."""
    REMOVE = "Remove"


def disks_to_remove(placement: VMPlacement) -> Sequence[LaunchDisk]:
    """Return the disks that go with the workload."""
    if placement.spec.mode is not LaunchMode.EXECUTE:
        return []
    disks = placement.spec.launch.disks
    return [
        one for one in disks if one.access is DiskAccess.PERSISTENT and one.retention == "Delete"
    ]


def fate_of_disks(placement: VMPlacement) -> DiskFate:
    """Say what becomes of the disks with ``retention: Delete``.

    A deleted placement is no deleted workload: only the operator knows, and its order
    says so. Until it has spoken the placement stays, and with it the name: so a workload
    that is made anew can not have a disk yet that an old order would remove.
    """
    if not disks_to_remove(placement):
        return DiskFate.KEEP
    stop = placement.spec.stop
    if stop is None:
        return DiskFate.AWAIT
    is_gone = stop.reason == codes.WORKLOAD_GONE.reason
    return DiskFate.REMOVE if is_gone else DiskFate.KEEP


def homes_of(
    held: Sequence[PersistentDiskHome], placement: VMPlacement | None
) -> list[PersistentDiskHome]:
    """Return where a workload's disks are: where its placement came as far as a launch.

    What is remembered outlives the Node; a disk that the spec no longer names is still there.
    """
    homes = {one.disk: one for one in held}
    if placement is not None and _came_to_launch(placement):
        spec = placement.spec
        for one in spec.launch.disks:
            if one.access is DiskAccess.PERSISTENT:
                homes[one.name] = PersistentDiskHome(
                    disk=one.name, node_name=spec.node_name, node_uid=spec.node_uid
                )
    return [homes[name] for name in sorted(homes)][:MOST_HOMES]


def _came_to_launch(placement: VMPlacement) -> bool:
    if placement.spec.mode is not LaunchMode.EXECUTE:
        return False
    status = placement.status
    may_run = status.state in MAY_RUN or status.vmm is not None
    return may_run or any(one.to is PlacementState.LAUNCHING for one in status.trace)
