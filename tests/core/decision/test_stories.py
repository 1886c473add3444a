"""Every code that rejects a node is given by a real decision, and alone."""

import pytest

from schedune.codes.row import Stage
from schedune.codes.table import TABLE
from schedune_testing.fleets import capability
from schedune_testing.nodes import facts, node
from schedune_testing.stories import STORIES, Story, codes_against, with_facts


def test_nothing_stands_against_a_healthy_node() -> None:
    assert codes_against(node("n")) == []


@pytest.mark.parametrize("code", STORIES)
def test_one_cause_gives_exactly_its_own_code(code: str) -> None:
    assert STORIES[code].codes() == [code]


def test_every_code_of_a_decision_is_produced_by_one() -> None:
    judged = {
        row.code
        for row in TABLE.values()
        if row.stage in (Stage.ELIGIBILITY, Stage.LAUNCH_VALIDATION)
    }
    # Without CPU facts the artefact's architecture cannot be judged either: two causes.
    unreached = {"REJECT_ARCHITECTURE_UNKNOWN"}
    assert judged - set(STORIES) == unreached
    assert "REJECT_ARCHITECTURE_UNKNOWN" in codes_against(with_facts(cpu=None))


@pytest.mark.parametrize("code", STORIES)
def test_every_reason_is_told_with_what_was_observed_and_what_would_change(code: str) -> None:
    story = STORIES[code]
    explanation = story.explanation()
    (cause,) = explanation.causes(explanation.decision.fleet.row["n"])
    assert cause.reason.observed
    assert cause.reason.required
    assert cause.change
    assert "{" not in cause.reason.message


def test_a_binary_without_kvm_on_a_node_without_kvm_is_a_consequence_not_a_cause() -> None:
    (qemu,) = facts("n")["backends"]
    record = with_facts(
        capabilities=[capability("kvm_vm_launch", "Unsupported")],
        backends=[{**qemu, "accelerations": ["Emulated"]}],
    )
    explanation = Story(record).explanation()
    (cause,) = explanation.causes(0)
    assert cause.reason.row.code == "REJECT_MISSING_KVM"
    consequences = [one.row.code for one in cause.consequences]
    assert consequences == ["ERR_LAUNCH_ACCELERATION_UNAVAILABLE"]
