"""What the operator needs before it is ready: a whole picture of the world, and news of it."""

from collections.abc import Callable
from typing import Final

from schedune_kube.serving import Check
from schedune_operator.world import World

_NOT_LISTED: Final = "not listed yet; is the API server there, and may this account list them?"


def checks_of(
    world: World, *, follows_workloads: Callable[[], bool], deaf_after_s: float
) -> list[Check]:
    """Return what has to be there. A standby is ready as well: it may have to lead any moment."""
    mirrors = {"nodes": world.nodes, "nodetruths": world.truths, "vmplacements": world.placements}
    return [
        Check("vmworkloads", lambda: "" if follows_workloads() else _NOT_LISTED),
        *(Check(name, _listed(mirror.synced.is_set)) for name, mirror in mirrors.items()),
        Check("heartbeats", lambda: _heartbeats(world, deaf_after_s)),
    ]


def _listed(is_synced: Callable[[], bool]) -> Callable[[], str]:
    return lambda: "" if is_synced() else _NOT_LISTED


def _heartbeats(world: World, deaf_after_s: float) -> str:
    if not world.heartbeats.synced.is_set():
        return _NOT_LISTED
    age = world.heartbeats.looked_ago_s()
    if age <= deaf_after_s:
        return ""
    return f"last looked at {age:.0f} s ago: the API server does not answer"
