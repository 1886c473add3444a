"""What a placement will hold whose creation is under way, until it is known what became of it."""

from typing import Any

import pytest

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.fleet.node import ClaimRecord
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.agenda import Agenda
from schedune_operator.auditor import Auditor
from schedune_operator.cache import WorkloadCache
from schedune_operator.draining import Drains
from schedune_operator.fencing import Fencing
from schedune_operator.holds import Holds
from schedune_operator.reconciler import Reconciler
from schedune_operator.world import World
from schedune_testing.manifests import placement as a_placement
from schedune_testing.nodes import NOW, node

KEY = ("default", "vm")
CLAIM = ClaimRecord("node-1", "assumed", 8, 2**30)


class Room:
    """A world of one node, whose API server is nowhere: nothing here needs it."""

    def __init__(self) -> None:
        self.client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
        self.cache = WorkloadCache()
        self.world = World(self.client, lambda: None, self.cache.peer_of, lambda: NOW)
        self.world.fleet().update(node("node-1"))

    def reconciler(self) -> Reconciler:
        agenda = Agenda(self.world, self.cache, DEFAULT_POLICY)
        nobody: Any = None
        return Reconciler(
            self.client,
            self.world,
            nobody,
            lambda: NOW,
            lambda: 1,
            self.cache.absorb,
            DEFAULT_POLICY,
            agenda,
            Fencing(self.world, lambda: 0.0),
            Drains(self.world, Holds(self.world, DEFAULT_POLICY, lambda: NOW), 1),
        )

    def watch_brings(self, raw: Any) -> None:
        """Do as the watch of the placements does."""
        if raw is None:
            self.world.placements.store.pop(KEY, None)
        else:
            self.world.placements.store[KEY] = raw
        self.world._note_placement(KEY, raw)

    def claimed_vcpus(self) -> int:
        return sum(one.vcpus for one in self.world.fleet().claims.held.values())


@pytest.fixture
def room() -> Room:
    return Room()


def made(**changes: Any) -> Any:
    raw = a_placement()
    raw["metadata"] = {"name": "vm", "namespace": "default", "uid": "p", "resourceVersion": "7"}
    raw["spec"] |= changes
    return raw


def test_what_is_about_to_be_made_holds_its_claim(room: Room) -> None:
    room.world.assume(KEY, CLAIM)
    assert room.claimed_vcpus() == 8


def test_one_that_was_made_by_a_request_without_an_answer_holds_nothing_when_it_is_gone(
    room: Room,
) -> None:
    room.world.assume(KEY, CLAIM)
    room.watch_brings(made())
    assert room.claimed_vcpus() == 1
    room.watch_brings(None)
    assert room.claimed_vcpus() == 0


async def test_one_that_was_not_made_holds_nothing_once_its_workload_is_gone(room: Room) -> None:
    room.world.assume(KEY, CLAIM)
    await room.reconciler().reconcile(KEY, None)
    assert room.claimed_vcpus() == 0


def test_quotas_and_priorities_are_part_of_what_has_to_be_known(room: Room) -> None:
    world = room.world
    mirrors = [world.nodes, world.truths, world.placements, world.heartbeats]
    limits = [world.namespaces.mirror, world.priorities.mirror]
    for one in (*mirrors, *limits):
        assert not world.is_synced()
        one.synced.set()
    assert world.is_synced()


def test_a_dry_run_is_not_withdrawn_from_a_full_node_for_it_holds_nothing(room: Room) -> None:
    auditor = Auditor(room.client, room.world, DEFAULT_POLICY)
    room.watch_brings(made(mode="DryRun"))
    assert auditor._newest_not_launched("node-1") is None
    room.watch_brings(made())
    found = auditor._newest_not_launched("node-1")
    assert found is not None
    assert found.metadata.name == "vm"


def test_who_never_asks_for_the_fleet_remembers_no_name_of_what_came_and_went(room: Room) -> None:
    """A standby: without a webhook, and with nobody at its fleet page, for months."""
    room.cache.on_note = room.world.note_placement
    for number in range(100):
        name = f"job-{number}"
        metadata = {"namespace": "ci", "name": name, "uid": name, "resourceVersion": "7"}
        raw = {"metadata": {**metadata, "generation": 1}, "spec": {}}
        room.cache.note("ADDED", raw)
        gone = {**raw, "metadata": {**metadata, "resourceVersion": "8"}}
        room.cache.note("DELETED", gone)
    assert not room.world._touched_placements


def test_nor_of_placements_that_came_and_went_before_anybody_asked(room: Room) -> None:
    room.watch_brings(made())
    room.watch_brings(None)
    assert not room.world._touched_placements
    assert room.claimed_vcpus() == 0


def test_a_placement_that_was_counted_and_is_gone_frees_its_claim(room: Room) -> None:
    freed = []
    room.world.on_freed = lambda key, _fleet: freed.append(key)
    room.watch_brings(made())
    assert room.claimed_vcpus() == 1
    room.watch_brings(None)
    assert room.claimed_vcpus() == 0
    assert freed == [KEY]
