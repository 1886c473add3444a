"""Whose silence counts: nobody's, while we do not listen ourselves."""

from typing import Any

import msgspec
import pytest

from schedune.codes import fencing as codes
from schedune.codes.row import Reason, Row
from schedune.lifecycle.release import ANNOTATION
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.fencing import Fencing
from schedune_operator.freshness import deaf_after_s
from schedune_operator.leases import LeaseList
from schedune_operator.world import World
from schedune_testing.manifests import placement as a_placement
from schedune_testing.nodes import NOW

KEY = ("default", "vm")
PERIOD_S = 15.0
RELEASE = (
    '{"placementUID": "p", "assertedBy": "Ada", "because": "I pulled the plug",'
    ' "time": "2026-11-24T12:00:00Z"}'
)


class Watchtower:
    """A leader that looks at the heartbeat of one machine; all moments are given."""

    def __init__(self, **annotations: str) -> None:
        self.now = 10_000.0
        client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
        self.world = World(client, lambda: None, lambda _key: {}, lambda: NOW, lambda: self.now)
        self.fencing = Fencing(self.world, lambda: self.now)
        raw = a_placement()
        raw["metadata"] = {
            "name": "vm", "namespace": "default", "uid": "p", "resourceVersion": "7",
            "annotations": annotations,
        }  # fmt: skip
        self.world.placements.store[KEY] = raw
        self.version = 0
        beats: Any = self.world.heartbeats
        beats._list = self.leases
        beats._deaf_after_s = deaf_after_s(PERIOD_S)

    async def leases(self, *_arguments: Any) -> LeaseList:
        """Return the Lease of the machine, as it is now."""
        metadata = {"name": "node-1", "resourceVersion": str(self.version)}
        spec = {"holderIdentity": "m", "leaseDurationSeconds": 180}
        raw = {"metadata": metadata, "items": [{"metadata": metadata, "spec": spec}]}
        return msgspec.convert(raw, LeaseList)

    async def look(self, *, renewed: bool) -> None:
        """Look at the heartbeats: the machine renewed its Lease since the last look, or not."""
        self.version += renewed
        await self.world.heartbeats.poll()

    async def listen(self, seconds: float, *, renewed: bool) -> None:
        """Look each period for a while."""
        for _ in range(int(seconds / PERIOD_S)):
            self.now += PERIOD_S
            await self.look(renewed=renewed)

    def judge(self) -> Reason | None:
        placement = self.world.placement(KEY)
        assert placement is not None
        return self.fencing.judge(placement)


def code(reason: Reason | None) -> Row | None:
    return reason.row if reason is not None else None


async def test_a_machine_whose_node_is_gone_and_that_is_silent_is_fenced() -> None:
    tower = Watchtower()
    await tower.listen(600, renewed=True)
    assert tower.judge() is None
    await tower.listen(300, renewed=False)
    assert code(tower.judge()) is codes.NODE_FENCED


async def test_who_stood_still_fences_no_machine_before_he_has_looked_again() -> None:
    tower = Watchtower()
    await tower.listen(600, renewed=True)
    assert tower.judge() is None
    tower.now += 600
    assert tower.judge() is None, "woken, and nobody has looked yet"
    await tower.look(renewed=True)
    assert code(tower.judge()) is codes.FENCE_CONTRADICTED


@pytest.mark.parametrize("told", [codes.RELEASE_CONTRADICTED, codes.VM_RELEASED])
async def test_no_vm_is_released_by_a_silence_to_which_nobody_listened(told: Row) -> None:
    """What counts is whether the machine speaks once we listen again."""
    tower = Watchtower(**{ANNOTATION: RELEASE})
    await tower.listen(600, renewed=True)
    assert code(tower.judge()) is codes.RELEASE_CONTRADICTED
    tower.now += 600
    assert tower.judge() is None
    await tower.look(renewed=told is codes.RELEASE_CONTRADICTED)
    assert code(tower.judge()) is told
