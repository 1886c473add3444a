"""Whom a change concerns, and whom it does not."""

import math
from datetime import timedelta
from typing import Any

import pytest

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.decision.waiting import MOST_GROUPS
from schedune.fleet.node import ClaimRecord
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.agenda import Agenda
from schedune_operator.cache import WorkloadCache
from schedune_operator.world import World
from schedune_testing.nodes import NOW, intent, node, workload

KEY = ("default", "vm")


class Desk:
    """An agenda whose world is told by hand, and whose time passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0
        client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
        self.cache = WorkloadCache()
        self.world = World(client, lambda: None, self.cache.peer_of, lambda: NOW, self.clock)
        self.agenda = Agenda(self.world, self.cache, DEFAULT_POLICY, self.clock)
        self.cache.on_note = self.agenda.note
        self.world.on_placement = self.agenda.note

    def clock(self) -> float:
        return self.time

    def applies(self, name: str = "vm", version: int = 1, **spec: Any) -> None:
        body = workload(**spec)
        body["metadata"] |= {"name": name, "uid": name, "resourceVersion": str(version)}
        self.cache.note("MODIFIED", body)

    def picked(self) -> list[str]:
        found = []
        while (key := self.agenda.pop()) is not None:
            found.append(key[1])
            self.agenda.end(key, self.agenda.begin(key))
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_workload_is_looked_at_once_for_each_version(desk: Desk) -> None:
    desk.applies()
    assert desk.picked() == ["vm"]
    desk.agenda.note(KEY)
    assert desk.picked() == []
    desk.applies(version=2)
    assert desk.picked() == ["vm"]


def test_what_we_wrote_ourselves_is_no_news(desk: Desk) -> None:
    desk.applies()
    key = desk.agenda.pop()
    assert key == KEY
    began = desk.agenda.begin(KEY)
    ours = {**desk.cache.workloads[KEY]}
    ours["metadata"] = {**ours["metadata"], "resourceVersion": "5"}
    desk.cache.absorb(ours)
    desk.agenda.end(KEY, began)
    desk.cache.note("MODIFIED", ours)
    assert desk.picked() == []


def test_what_came_and_went_while_another_led_is_not_looked_at(desk: Desk) -> None:
    desk.applies()
    desk.cache.note("DELETED", desk.cache.workloads[KEY])
    assert len(desk.agenda.lanes) == 0


def test_what_was_looked_at_is_looked_at_once_more_when_it_is_gone(desk: Desk) -> None:
    """Something may be held for it."""
    desk.applies()
    desk.picked()
    desk.cache.note("DELETED", desk.cache.workloads[KEY])
    assert desk.picked() == ["vm"]


def test_a_change_while_it_is_in_hand_is_looked_at_after_that(desk: Desk) -> None:
    desk.applies()
    began = desk.agenda.begin(desk.agenda.pop() or KEY)
    desk.applies(version=2)
    assert desk.agenda.pop() is None, "never twice at once"
    desk.agenda.end(KEY, began)
    assert desk.picked() == ["vm"]


def test_one_forced_while_it_is_in_hand_is_looked_at_at_once_after_that(desk: Desk) -> None:
    """What was remembered by a write of ours is acted upon: whoever rests is woken for it."""
    desk.applies()
    began = desk.agenda.begin(desk.agenda.pop() or KEY)
    desk.agenda.force([KEY])
    desk.cache.changed.clear()
    desk.agenda.end(KEY, began)
    assert desk.cache.changed.is_set()
    assert desk.picked() == ["vm"]


def test_whoever_rests_knows_when_somebody_is_to_be_looked_at_again(desk: Desk) -> None:
    assert desk.agenda.next_alarm_s() == math.inf
    desk.agenda.look_again(KEY, 30.0)
    desk.agenda.look_again(("default", "other"), 2.0)
    desk.time += 0.5
    assert desk.agenda.next_alarm_s() == pytest.approx(1.5)


def test_what_went_wrong_is_tried_again_later_each_time(desk: Desk) -> None:
    desk.applies()
    waits = []
    for _ in range(4):
        desk.agenda.begin(desk.agenda.pop() or KEY)
        desk.agenda.fail(KEY)
        began = desk.time
        while not len(desk.agenda.lanes):
            desk.time += 0.05
            desk.agenda.turn(NOW)
        waits.append(desk.time - began)
    assert waits == sorted(waits)
    assert waits[-1] >= 2 * waits[0]


def test_patience_that_the_server_asks_for_is_kept(desk: Desk) -> None:
    desk.applies()
    desk.agenda.begin(desk.agenda.pop() or KEY)
    desk.agenda.fail(KEY, patience_s=30.0)
    desk.time += 29
    desk.agenda.turn(NOW)
    assert desk.picked() == []
    desk.time += 2
    desk.agenda.turn(NOW)
    assert desk.picked() == ["vm"]


def test_a_freed_node_wakes_those_whose_demands_it_meets_at_once_and_nobody_else(
    desk: Desk,
) -> None:
    fleet = desk.world.fleet()
    fleet.update(node("n"))
    fleet.reserve(ClaimRecord("n", "p", 7, 2**30))
    small, large = {"vcpus": 4, "memory": "1Gi"}, {"vcpus": 40, "memory": "1Gi"}
    for name, resources in (("small", small), ("large", large)):
        desk.applies(name, resources=resources)
        desk.agenda.begin(desk.agenda.pop() or KEY)
        wanted = intent(resources=resources)
        desk.agenda.wait_for_fleet(("default", name), fleet, wanted, NOW, None)
        desk.agenda.end(("default", name), desk.agenda._versions(("default", name)))
    fleet.release("p")
    desk.agenda.turn(NOW)
    assert desk.picked() == ["small"]


def test_its_deadline_wakes_a_workload_that_nothing_else_does(desk: Desk) -> None:
    fleet = desk.world.fleet()
    fleet.update(node("n"))
    huge = {"vcpus": 400, "memory": "1Gi"}
    desk.applies(resources=huge)
    began = desk.agenda.begin(desk.agenda.pop() or KEY)
    due = NOW + timedelta(seconds=600)
    desk.agenda.wait_for_fleet(KEY, fleet, intent(resources=huge), NOW, due)
    desk.agenda.end(KEY, began)
    desk.time += 599
    desk.agenda.turn(NOW)
    assert desk.picked() == []
    desk.time += 3
    desk.agenda.turn(NOW)
    assert desk.picked() == ["vm"]


def test_who_waits_is_told_once_more_in_a_while_where_the_fleet_is_another(desk: Desk) -> None:
    """The same stands in its way, by other numbers."""
    fleet = desk.world.fleet()
    fleet.update(node("n"))
    huge = {"vcpus": 400, "memory": "1Gi"}
    desk.applies(resources=huge)
    began = desk.agenda.begin(desk.agenda.pop() or KEY)
    desk.agenda.wait_for_fleet(KEY, fleet, intent(resources=huge), NOW, None)
    desk.agenda.end(KEY, began)
    later = NOW + timedelta(seconds=60)
    for _ in range(3):
        desk.agenda.tick(later)
    assert desk.picked() == [], "the fleet is the same"
    fleet.reserve(ClaimRecord("n", "p", 7, 2**30))
    desk.agenda.turn(NOW)
    for _ in range(3):
        desk.agenda.tick(NOW)
    assert desk.picked() == [], "it was told a moment ago"
    for _ in range(3):
        desk.agenda.tick(later)
    assert desk.picked() == ["vm"]


def test_whoever_rests_comes_back_soon_while_some_of_very_many_were_not_looked_at(
    desk: Desk,
) -> None:
    fleet = desk.world.fleet()
    fleet.update(node("n"))
    for number in range(2 * MOST_GROUPS):
        wanted = intent(placement={"nodeSelector": {"number": str(number)}})
        desk.agenda.wait_for_fleet(("default", str(number)), fleet, wanted, NOW, None)
    desk.agenda.turn(NOW)
    assert desk.agenda.next_alarm_s() == math.inf
    fleet.reserve(ClaimRecord("n", "p", 7, 2**30))
    desk.agenda.turn(NOW)
    assert 0 < desk.agenda.next_alarm_s() < 1
    for _ in range(4):
        desk.agenda.turn(NOW)
    assert desk.agenda.next_alarm_s() == math.inf


def test_a_new_leader_looks_at_everything(desk: Desk) -> None:
    for number in range(5):
        desk.applies(f"vm-{number}")
    desk.picked()
    desk.agenda.wake_all()
    assert len(desk.picked()) == 5
