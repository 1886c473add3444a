"""Drains and changes, many at once and in any order: whoever is told to end is placed again."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.fleet.quota import Quota
from schedune_testing.desk import HOSTNAME, Desk

GIBI = 2**30
DB = {"app": "db"}
APART = {"antiAffinity": [{"topologyKey": HOSTNAME, "workloadSelector": {"matchLabels": DB}}]}
NODES = ("a", "b", "c")


@st.composite
def vms(draw: st.DrawFn) -> dict[str, Any]:
    """Return a VM: how much memory it has, what it is to have, and whether it keeps apart."""
    return {
        "before": draw(st.integers(1, 9)),
        "now": draw(st.integers(1, 9)),
        "apart": draw(st.booleans()),
    }


def spec_of(vm: dict[str, Any], when: str) -> dict[str, Any]:
    asked = {"resources": {"vcpus": 1, "memory": f"{vm[when]}Gi"}, "updateStrategy": "Recreate"}
    apart = {"labels": DB, "placement": APART} if vm["apart"] else {}
    return {**asked, **apart}


def holds_no_more_than_there_is(desk: Desk) -> None:
    fleet = desk.world.fleet()
    assert (fleet.claims.sums["memory"] <= fleet.numbers["memory"]).all()
    assert (fleet.claims.sums["vcpus"] <= fleet.numbers["vcpus"]).all()
    assert fleet.claims.of_namespace("default")[1] <= fleet.quotas["default"].memory_bytes
    apart = [
        raw["spec"]["nodeName"]
        for key, raw in desk.world.placements.store.items()
        if desk.cache.workloads[key]["metadata"]["labels"] == DB
    ]
    assert not apart or Counter(apart).most_common(1)[0][1] == 1


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(vms(), min_size=2, max_size=6),
    st.sets(st.sampled_from(NODES)),
    st.sampled_from([30, 48]),
    st.data(),
)
def test_whoever_is_told_to_end_is_placed_again(
    some: list[dict[str, Any]], drained: set[str], quota: int, data: st.DataObject
) -> None:
    asyncio.run(_all_change(some, drained, quota, data))


async def _all_change(
    some: list[dict[str, Any]], drained: set[str], quota: int, data: st.DataObject
) -> None:
    desk = Desk()
    desk.allows("default", Quota(memory_bytes=quota * GIBI))
    for name in NODES:
        desk.has_node(name)
    for number, vm in enumerate(some):
        desk.apply(f"vm-{number}", **spec_of(vm, "before"))
    await desk.rests()
    placed = set(desk.where())
    await desk.runs(*placed)
    for number, vm in enumerate(some):
        desk.apply(f"vm-{number}", **spec_of(vm, "now"))
    for name in drained:
        desk.has_node(name, scheduling="Draining")
    await desk.rests()
    holds_no_more_than_there_is(desk)
    while told := sorted(desk.stops()):
        ends = data.draw(st.lists(st.sampled_from(told), min_size=1, unique=True))
        await desk.agents_end(*ends)
        assert set(ends) <= set(desk.where()), "it was ended for a place that it did not get"
        await desk.runs(*ends)
        holds_no_more_than_there_is(desk)
    assert placed <= set(desk.where())
