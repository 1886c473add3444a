"""What models that are kept for long share."""

import yaml

from schedune.api.nodetruth import NodeTruth, Scheduling
from schedune_operator.sparing import share_field_sets
from schedune_testing.recordings import ROOT


def truth() -> NodeTruth:
    read = yaml.safe_load((ROOT / "examples/fleet/arm-01.yaml").read_text())
    return NodeTruth.model_validate({**read, "metadata": {"name": "arm-01"}})


def test_models_with_the_same_fields_hold_one_set_of_names_and_are_equal_to_others() -> None:
    one, other, untouched = truth(), truth(), truth()
    share_field_sets(one)
    share_field_sets(other)
    facts = one.status.capabilities[0], other.status.capabilities[0]
    assert facts[0].model_fields_set is facts[1].model_fields_set
    assert one == other == untouched
    assert one.render() == untouched.render()


def test_a_copy_that_is_told_more_leaves_the_others_as_they_are() -> None:
    one, other = truth(), truth()
    share_field_sets(one)
    share_field_sets(other)
    given = set(one.spec.model_fields_set)
    drained = one.spec.model_copy(update={"scheduling": Scheduling.DRAINING})
    assert "scheduling" in drained.model_fields_set
    assert one.spec.model_fields_set == other.spec.model_fields_set == given
