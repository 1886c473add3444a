"""What is kept of the NodeTruths of a fleet."""

from typing import Any

import yaml

from schedune.api.nodetruth import NodeTruth, Scheduling
from schedune_operator.truth_mirror import remember_truth
from schedune_testing.recordings import ROOT


def written(**status: Any) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((ROOT / "examples/fleet/arm-01.yaml").read_text())
    raw["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    raw["status"] |= status
    return raw


def read(raw: dict[str, Any]) -> NodeTruth:
    found = remember_truth(raw)["read"]
    assert isinstance(found, NodeTruth)
    return found


def test_a_truth_is_kept_as_read_beside_what_is_compared_as_it_was_written() -> None:
    live = [{"namespace": "d", "name": "vm", "workloadUID": "w", "placementUID": "p", "pid": 7}]
    raw = written(liveVMs=live)
    kept = remember_truth(raw)
    assert kept["metadata"] == {**raw["metadata"]}
    assert kept["status"] == {"liveVMs": live}
    assert kept["read"] == NodeTruth.model_validate(raw)
    assert raw["status"]["cpu"]["cores"] == 16, "the given one is another's"


def test_what_cannot_be_read_is_kept_without_facts() -> None:
    kept = remember_truth(written(capacity={"vcpus": 1, "memory": "much", "basis": "Declared"}))
    assert kept["read"] is None
    assert kept["metadata"]["resourceVersion"] == "7"


def test_truths_with_the_same_fields_hold_one_set_of_names_and_say_the_same_as_others() -> None:
    one, other, untouched = read(written()), read(written()), NodeTruth.model_validate(written())
    facts = one.status.capabilities[0], other.status.capabilities[0]
    assert facts[0].model_fields_set is facts[1].model_fields_set
    assert one == other == untouched
    assert one.render() == untouched.render()


def test_a_copy_that_is_told_more_leaves_the_others_as_they_are() -> None:
    one, other = read(written()), read(written())
    given = set(one.spec.model_fields_set)
    drained = one.spec.model_copy(update={"scheduling": Scheduling.DRAINING})
    assert "scheduling" in drained.model_fields_set
    assert one.spec.model_fields_set == other.spec.model_fields_set == given


def test_a_stamp_in_a_year_that_no_clock_shows_is_none() -> None:
    raw = written()
    stamp = {"manager": "schedune-agent", "time": "0000-01-01T00:00:00Z", "operation": "Apply"}
    raw["metadata"]["managedFields"] = [stamp]
    assert remember_truth(raw)["written"] is None
