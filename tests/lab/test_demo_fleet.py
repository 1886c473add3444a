"""The demo's story, judged by the decision alone: no API server, no processes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from schedune.api.nodetruth import Identity, NodeTruth
from schedune.decision.decide import Decision, decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune.launch.intent import Intent, parse_intent, read_workload

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STALE = "x86-02"


def _node(path: Path) -> NodeRecord:
    truth = NodeTruth.model_validate(yaml.safe_load(path.read_text()))
    name = truth.metadata.name
    identity = Identity(node_uid=f"uid-{name}", machine_id="m", boot_id="b", agent_version="1")
    proved = NOW - timedelta(seconds=60 if name == STALE else 1)
    return NodeRecord(
        name,
        f"uid-{name}",
        truth.model_copy(update={"status": truth.status.model_copy(update={"identity": identity})}),
        proved,
        10,
        labels=truth.metadata.labels or {},
    )


def _decide(example: str) -> Decision:
    workload = read_workload(yaml.safe_load((EXAMPLES / example).read_text()))
    assert not isinstance(workload, tuple), workload
    intent = parse_intent(workload)
    assert isinstance(intent, Intent), intent
    fleet = Fleet.of(_node(path) for path in sorted((EXAMPLES / "fleet").glob("*.yaml")))
    return decide(fleet, intent, now=NOW)


@pytest.mark.parametrize("placed", [True, False])
def test_payments_goes_to_arm_01_and_each_other_node_has_exactly_its_own_cause(
    placed: bool,
) -> None:
    decision = _decide("payments.yaml")
    assert decision.chosen is not None
    assert decision.node(decision.chosen).name == "arm-01"
    rejected = {
        node: signature.codes
        for signature in evaluation_of(Explanation(decision), placed=placed).signatures
        for node in signature.sample_nodes
    }
    assert rejected == {
        "arm-02": ["REJECT_MISSING_KVM"],
        "x86-02": ["REJECT_TELEMETRY_STALE"],
        "edge-01": ["REJECT_INSUFFICIENT_MEMORY"],
        "micro-01": ["REJECT_ARTIFACT_MISSING"],
    }


def test_the_impossible_intent_is_answered_with_the_numbers_that_would_pass() -> None:
    evaluation = evaluation_of(Explanation(_decide("impossible.yaml")))
    assert evaluation.nodes_eligible == 0
    arm = next(one for one in evaluation.nearest if one.node_name == "arm-01")
    assert "vcpus <= 12" in arm.message
    assert "memory <=" in arm.message
    assert "asked 96Gi" in arm.message


def test_the_placed_explanation_stays_within_two_kibibytes() -> None:
    text = evaluation_of(Explanation(_decide("payments.yaml")), placed=True).model_dump_json(
        exclude_none=True
    )
    assert len(text.encode()) <= 2048
