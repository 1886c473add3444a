"""What is kept of an object in memory."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schedune_kube.lean import lean

WORDS = st.text(max_size=3)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0]) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)

WRITES = [
    {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z", "fieldsV1": {"f:status": {}}},
    {"manager": "kubectl", "time": "2026-11-24T11:00:00Z", "fieldsV1": {"f:spec": {}}},
]


def test_who_wrote_which_field_is_left_out_but_not_when_the_agent_last_wrote() -> None:
    raw = {"kind": "NodeTruth", "metadata": {"name": "n", "managedFields": WRITES}, "status": {}}
    stamp = {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z"}
    assert lean(raw)["metadata"] == {"name": "n", "managedFields": [stamp]}
    assert raw["metadata"] == {"name": "n", "managedFields": WRITES}, "the given one is another's"


def test_of_a_node_only_what_is_long_and_says_nothing_of_vms_is_left_out() -> None:
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"conditions": conditions, "images": [{"names": ["a"]}]}
    listed = {"metadata": {"name": "n"}, "status": status}  # a list's items name no kind
    for raw in (listed, {"kind": "Node", **listed}):
        assert lean(raw) == {**raw, "status": {"conditions": conditions}}


def test_what_kubectl_keeps_of_the_last_apply_is_left_out_and_other_annotations_stay() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    raw = {"metadata": {"name": "vm", "annotations": {**last, "team": "edge"}}}
    assert lean(raw) == {"metadata": {"name": "vm", "annotations": {"team": "edge"}}}
    assert raw["metadata"]["annotations"].keys() == {*last, "team"}, "the given one is another's"


def test_objects_that_hold_equal_words_share_them() -> None:
    told = {"metadata": {"name": "vm"}, "status": {"why": ["waiting for the agent on arm-01"]}}
    one, other = (lean(json.loads(json.dumps(told))) for _ in range(2))
    assert one == other == told
    assert one["status"]["why"][0] is other["status"]["why"][0]
    assert list(one)[1] is list(other)[1]


def test_objects_that_hold_equal_parts_share_them_whatever_else_they_hold() -> None:
    settled = {"type": "Stalled", "status": "False", "observedGeneration": 1}
    told = [{"metadata": {"name": name}, "conditions": [dict(settled)]} for name in ("a", "b")]
    one, other = map(lean, told)
    assert [one, other] == told
    assert one["conditions"][0] is other["conditions"][0]


@given(st.lists(st.dictionaries(WORDS, ANYTHING), max_size=6))
def test_what_is_kept_is_equal_and_of_the_same_types(parts: list[dict[str, Any]]) -> None:
    for part in parts:
        raw = {"metadata": {"name": "vm"}, "part": part}
        assert json.dumps(lean(raw)) == json.dumps(raw)
