"""What is held for VMs that are ended to be placed anew: against each other, and for how long."""

from typing import Any

import pytest

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.fleet.quota import Quota
from schedune_operator.seen.page.explanation import explained
from schedune_operator.seen.reading import Reading
from schedune_testing.desk import ENDED, HOSTNAME, Desk

GIBI = 2**30
TOO_LITTLE = {"vcpus": 1, "memory": "9"}
"""A unit was left out: it is refused."""
DB = {"app": "db"}
APART = {"antiAffinity": [{"topologyKey": HOSTNAME, "workloadSelector": {"matchLabels": DB}}]}
SPREAD = {
    "topologySpread": [
        {
            "topologyKey": HOSTNAME,
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "workloadSelector": {"matchLabels": DB},
        }
    ]
}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def gibibytes(count: int) -> dict[str, Any]:
    return {"vcpus": 1, "memory": f"{count}Gi"}


async def one_on_each(desk: Desk, **placement: Any) -> None:
    """Let db-1 run on node a and db-2 on node b; then there is node c."""
    for name, at in (("db-1", "a"), ("db-2", "b")):
        desk.has_node(at)
        desk.apply(name, labels=DB, placement=placement)
        await desk.runs(name)
    assert desk.where() == {"db-1": "a", "db-2": "b"}
    desk.has_node("c")


async def drain(desk: Desk, *names: str) -> None:
    for name in names:
        desk.has_node(name, scheduling="Draining")
    await desk.rests()


async def two_that_grow(desk: Desk, before: int, now: int) -> None:
    """Let two VMs run, and ask for more memory for both at once."""
    names = ("vm-1", "vm-2")
    for name in names:
        desk.apply(name, resources=gibibytes(before), updateStrategy="Recreate")
    await desk.runs(*names)
    for name in names:
        desk.apply(name, resources=gibibytes(now), updateStrategy="Recreate")
    await desk.rests()


# --- drains ------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", [APART, SPREAD], ids=["anti-affinity", "spread"])
async def test_of_two_that_may_not_be_together_one_leaves_and_the_other_runs_on(
    desk: Desk, placement: dict[str, Any]
) -> None:
    await one_on_each(desk, **placement)
    await drain(desk, "a", "b")
    assert desk.stops() == {"db-1": "DrainMoves"}
    assert desk.condition("db-2", "Scheduled")[0] == "DrainWaits"
    await desk.agents_end("db-1")
    await desk.runs("db-1")
    assert desk.where() == {"db-1": "c", "db-2": "b"}
    assert desk.stops() == {}
    assert desk.condition("db-2", "Ready")[0] == "Running"


async def test_the_other_leaves_as_soon_as_there_is_a_node_of_its_own(desk: Desk) -> None:
    await one_on_each(desk, **APART)
    await drain(desk, "a", "b")
    desk.has_node("d")
    desk.looks_again("db-2")
    await desk.rests()
    assert desk.stops() == {"db-1": "DrainMoves", "db-2": "DrainMoves"}
    await desk.agents_end("db-1", "db-2")
    assert desk.where() == {"db-1": "c", "db-2": "d"}


async def test_a_vm_is_not_in_its_own_way_where_it_is_nor_where_it_goes(desk: Desk) -> None:
    """It keeps away from its like in the whole zone, and goes to another node of that zone."""
    zone = {"labels": {"zone": "z"}}
    keeps_away = [{"topologyKey": "zone", "workloadSelector": {"matchLabels": DB}}]
    desk.has_node("a", **zone)
    desk.apply("db", labels=DB, placement={"antiAffinity": keeps_away})
    await desk.runs("db")
    desk.has_node("c", **zone)
    desk.has_node("a", scheduling="Draining", **zone)
    await desk.rests()
    assert desk.stops() == {"db": "DrainMoves"}
    assert any("1/2 nodes" in line for line in told_of(desk, "db"))
    desk.drains.begin_term()
    desk.looks_again("db")
    await desk.rests()
    assert desk.held() == {"db"}, "decided again by the next leader"
    await desk.agents_end("db")
    assert desk.where() == {"db": "c"}


def told_of(desk: Desk, name: str) -> list[str]:
    """Return what the fleet page tells of a workload."""
    reading = Reading(desk.world, desk.cache, lambda: True, desk.now, DEFAULT_POLICY, 60.0)
    return explained(reading, ("default", name), desk.cache.workloads["default", name])


async def test_a_move_needs_its_quota_once_and_nobody_gets_it_meanwhile(desk: Desk) -> None:
    desk.allows("default", Quota(vcpus=2, memory_bytes=4 * GIBI))
    desk.has_node("a")
    desk.apply("vm")
    await desk.runs("vm")
    desk.has_node("c")
    await drain(desk, "a")
    assert desk.stops() == {"vm": "DrainMoves"}
    desk.apply("late", resources=gibibytes(1))
    await desk.rests()
    desk.agents_say("vm", state="Exited", **ENDED)
    await desk.rests()
    assert desk.condition("late", "Ready")[0] == "NoEligibleNode"
    await desk.agents_end("vm")
    assert desk.where() == {"vm": "c"}


# --- changes that recreate ---------------------------------------------------------------


async def test_of_two_that_grow_at_once_on_one_node_only_as_many_end_as_fit(desk: Desk) -> None:
    desk.has_node("a")
    await two_that_grow(desk, 6, 8)
    assert desk.stops() == {"vm-1": "SpecChanged"}
    reason, message = desk.condition("vm-2", "UpToDate")
    assert reason == "RecreateWaits"
    assert "InsufficientMemory" in message
    await desk.agents_end("vm-1")
    await desk.runs("vm-1")
    assert desk.stops() == {}
    assert desk.condition("vm-1", "UpToDate")[0] == "UpToDate"
    assert desk.condition("vm-2", "UpToDate")[0] == "RecreateWaits"
    assert desk.condition("vm-2", "Ready")[0] == "Running"


async def test_of_two_that_grow_at_once_only_as_many_end_as_their_quota_allows(desk: Desk) -> None:
    for name in ("a", "b"):
        desk.has_node(name)
    desk.allows("default", Quota(memory_bytes=12 * GIBI))
    await two_that_grow(desk, 5, 7)
    assert desk.stops() == {"vm-1": "SpecChanged"}
    reason, message = desk.condition("vm-2", "UpToDate")
    assert reason == "RecreateWaits"
    assert "NamespaceQuotaMemory" in message
    await desk.agents_end("vm-1")
    assert desk.where().keys() == {"vm-1", "vm-2"}


async def test_two_that_both_fit_end_at_once_though_twice_their_claims_would_not(
    desk: Desk,
) -> None:
    desk.has_node("a")
    desk.allows("default", Quota(memory_bytes=14 * GIBI))
    await two_that_grow(desk, 6, 7)
    assert desk.stops() == {"vm-1": "SpecChanged", "vm-2": "SpecChanged"}
    await desk.agents_end("vm-1", "vm-2")
    assert desk.where() == {"vm-1": "a", "vm-2": "a"}


async def test_what_a_changed_vm_gives_back_waits_for_it_and_for_nobody_else(desk: Desk) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    desk.apply("late", resources=gibibytes(7))
    await desk.rests()
    desk.agents_say("vm", state="Exited", **ENDED)
    await desk.rests()
    assert desk.where() == {"vm": "a"}, "the one that ended; nothing of it is to be had"
    await desk.agents_end("vm")
    assert desk.where() == {"vm": "a"}
    assert desk.held() == set()
    assert desk.condition("late", "Ready")[0] == "NoEligibleNode"


async def test_nobody_takes_the_room_while_a_vm_with_a_disk_asks_for_its_namespace(
    desk: Desk,
) -> None:
    room = {"capacity": {"vcpus": 8, "memory": "16Gi", "disk": "8Gi", "basis": "Declared"}}
    source = {"source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Persistent"}
    spec: dict[str, Any] = {"disks": [{"name": "root", **source}], "updateStrategy": "Recreate"}
    desk.has_node("a", **room)
    desk.apply("vm", resources=gibibytes(6), **spec)
    await desk.runs("vm")
    disk = {"namespace": "default", "namespaceUID": "namespace-uid", "workload": "vm"}
    held = [{**disk, "disk": "root", "sizeBytes": GIBI}]
    desk.has_node("a", persistentDisks=held, **room)
    desk.apply("vm", resources=gibibytes(9), **spec)
    await desk.rests()
    assert desk.held() == {"vm"}
    desk.apply("late", resources=gibibytes(7))
    late = desk.cache.workloads["default", "late"]
    desk.client.meanwhile = lambda: desk.reconciler.reconcile(("default", "late"), late)
    await desk.agents_end("vm")
    assert desk.where() == {"vm": "a"}


async def one_that_grows(desk: Desk) -> None:
    """Let a VM be told to end that has 6Gi and shall have 9Gi."""
    desk.apply("vm", resources=gibibytes(6), updateStrategy="Recreate")
    await desk.runs("vm")
    desk.apply("vm", resources=gibibytes(9), updateStrategy="Recreate")
    await desk.rests()
    assert desk.held() == {"vm"}


def memory_left(desk: Desk) -> int:
    """Return how many whole GiB of node a nobody claims and nothing is held of."""
    fleet = desk.world.fleet()
    row = fleet.row["a"]
    return int(fleet.numbers["memory"][row] - fleet.claims.sums["memory"][row]) // GIBI


async def test_a_change_that_is_taken_back_holds_no_more_than_the_vm_has(desk: Desk) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    assert memory_left(desk) == 6
    desk.apply("vm", resources=gibibytes(6), updateStrategy="Recreate")
    await desk.rests()
    assert memory_left(desk) == 9
    assert desk.held() == {"vm"}, "it was told to end, and is placed anew all the same"


async def test_an_order_that_was_not_written_holds_nothing_once_the_change_is_taken_back(
    desk: Desk,
) -> None:
    desk.has_node("a")
    desk.client.stops_conflict = True
    await one_that_grows(desk)
    assert desk.stops() == {}
    desk.apply("vm", resources=gibibytes(6), updateStrategy="Recreate")
    await desk.rests()
    assert (desk.held(), memory_left(desk)) == (set(), 9)


async def test_a_drain_that_is_taken_back_before_an_order_was_written_holds_nothing(
    desk: Desk,
) -> None:
    await one_on_each(desk)
    desk.client.stops_conflict = True
    await drain(desk, "a")
    assert (desk.held(), desk.stops()) == ({"db-1"}, {})
    desk.has_node("a")
    await desk.rests()
    assert desk.held() == set()


async def test_nothing_is_held_for_one_that_is_to_be_off(desk: Desk) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    desk.apply("vm", resources=gibibytes(9), updateStrategy="Recreate", runState="Stopped")
    await desk.rests()
    assert (desk.held(), memory_left(desk)) == (set(), 9)


@pytest.mark.parametrize("change", [{"runState": "Stopped"}, {"resources": TOO_LITTLE}])
async def test_nothing_is_held_for_one_that_is_not_placed_anew_after_all(
    desk: Desk, change: dict[str, Any]
) -> None:
    """It is turned off, or refused, in the moment in which it has ended."""
    desk.has_node("a")
    await one_that_grows(desk)
    desk.agents_say("vm", **ENDED)
    await desk.rests()
    assert memory_left(desk) == 6
    desk.world.placements._forget(("default", "vm"))
    desk.apply("vm", **{"resources": gibibytes(9), "updateStrategy": "Recreate", **change})
    await desk.rests()
    assert desk.where() == {}
    assert (desk.held(), memory_left(desk)) == (set(), 16)


@pytest.mark.parametrize("anew", [False, True], ids=["deleted", "made anew"])
async def test_nothing_is_held_for_one_whose_workload_is_gone(desk: Desk, *, anew: bool) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    desk.delete("vm")
    if anew:
        desk.apply("vm", uid="another", resources=gibibytes(9))
    await desk.rests()
    assert (desk.held(), memory_left(desk)) == (set(), 9)


async def test_the_next_leader_holds_again_what_one_that_was_told_to_end_will_need(
    desk: Desk,
) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    desk.drains.begin_term()
    assert memory_left(desk) == 9
    desk.looks_again("vm")
    await desk.rests()
    assert (desk.held(), memory_left(desk)) == ({"vm"}, 6)


async def test_a_drain_lets_what_is_held_for_a_changed_vm_be(desk: Desk) -> None:
    desk.has_node("a")
    await one_that_grows(desk)
    await drain(desk, "a")
    assert desk.held() == {"vm"}
    assert desk.stops() == {"vm": "SpecChanged"}


# --- other leaders -----------------------------------------------------------------------


async def test_what_was_held_for_a_vm_is_its_own_under_the_next_leader_too(desk: Desk) -> None:
    whole = {"vcpus": 8, "memory": "4Gi"}
    desk.has_node("a")
    desk.apply("vm", resources=whole)
    await desk.runs("vm")
    desk.has_node("b")
    await drain(desk, "a")
    assert desk.stops() == {"vm": "DrainMoves"}
    desk.apply("earlier", resources=whole)
    await desk.rests()
    desk.world.give_up_all()
    desk.drains.begin_term()
    desk.agenda.wake_all()
    await desk.rests()
    assert desk.held() == {"vm"}
    await desk.agents_end("vm")
    assert desk.where() == {"vm": "b"}


# --- changes that wait, and classes that are gone ----------------------------------------


async def test_a_changed_vm_that_waits_for_room_is_looked_at_again(desk: Desk) -> None:
    desk.has_node("a")
    desk.apply("vm", resources={"vcpus": 4, "memory": "4Gi"}, updateStrategy="Recreate")
    desk.apply("other", resources={"vcpus": 4, "memory": "4Gi"})
    await desk.runs("vm", "other")
    desk.apply("vm", resources={"vcpus": 6, "memory": "4Gi"}, updateStrategy="Recreate")
    await desk.rests()
    assert desk.condition("vm", "UpToDate")[0] == "RecreateWaits"
    desk.has_node("b")
    await desk.rests()
    assert desk.agenda.next_alarm_s() <= 2.0
    desk.passes(3.0)
    await desk.rests()
    assert desk.stops() == {"vm": "SpecChanged"}


@pytest.mark.parametrize("kind", ["deleted", "misspelt"])
async def test_a_vm_whose_priority_class_is_not_there_is_ended_for_nothing(
    desk: Desk, kind: str
) -> None:
    classes = desk.world.priorities.mirror
    classes.synced.set()
    classes.store["", "high"] = {"metadata": {"name": "high"}, "value": 1000}
    for name in ("a", "b"):
        desk.has_node(name)
    desk.apply("vm", priorityClassName="high", updateStrategy="Recreate")
    await desk.runs("vm")
    named = "high" if kind == "deleted" else "hihg"
    if kind == "deleted":
        del classes.store["", "high"]
    desk.apply("vm", priorityClassName=named, updateStrategy="Recreate", resources=gibibytes(5))
    await desk.rests()
    assert desk.condition("vm", "UpToDate")[0] == "PriorityClassMissing"
    assert desk.condition("vm", "Ready")[0] == "Running"
    await drain(desk, desk.where()["vm"])
    assert desk.stops() == {}
    told = desk.condition("vm", "Scheduled")
    assert told[0] == "DrainWaits"
    assert named in told[1]
