"""How old something is that was decided, also where the clock was set back since."""

from datetime import timedelta

import pytest

from schedune.decision.age import is_young
from schedune.decision.placing import Nowhere, Placer
from schedune.fleet.fleet import Fleet
from schedune_testing.nodes import NOW, facts, intent, node

MOST = timedelta(seconds=60)


@pytest.mark.parametrize(("after_s", "young"), [(0, True), (59, True), (60, False), (-1, False)])
def test_what_lies_ahead_is_as_old_as_what_is_too_old(after_s: int, *, young: bool) -> None:
    assert is_young(NOW, NOW + timedelta(seconds=after_s), MOST) is young


def test_after_the_clock_was_set_back_the_fleet_is_told_as_it_is() -> None:
    def of(vcpus: int) -> dict[str, object]:
        return {"capacity": {"vcpus": vcpus, "memory": "16Gi", "basis": "Declared"}}

    fleet = Fleet.of([node("n", facts("n", **of(2)))])
    placer, asked = Placer(fleet), intent(resources={"vcpus": 8, "memory": "4Gi"})
    assert isinstance(placer.place(asked, NOW), Nowhere)
    fleet.update(node("n", facts("n", **of(4), digest="sha256:other")))
    told = placer.place(asked, NOW - timedelta(hours=1))
    assert isinstance(told, Nowhere)
    assert told.version == fleet.version
    assert any("4 of 4 vCPUs" in line for line in told.why)
