"""A status replaces the one that is stored, whatever that held."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schedune.api.merge_patch import replacing
from schedune.api.vmplacement import VMPlacementStatus
from schedune.api.vmworkload import VMWorkloadStatus

TEXTS = st.lists(st.text("ab", min_size=1, max_size=2), max_size=2)
EVALUATIONS = st.fixed_dictionaries(
    {"nodesEligible": st.just(0), "nodesEvaluated": st.just(1), "truthDigest": st.just("d"),
     "time": st.just("2026-11-27T15:58:53Z")},
    optional={"truncated": TEXTS, "cores": st.just([{"scope": "Now", "demands": ["memory"]}])},
)  # fmt: skip
STATUSES = st.fixed_dictionaries(
    {}, optional={"evaluation": EVALUATIONS, "why": TEXTS, "nodeName": st.just("n")}
)


def merged(held: Any, patch: Any) -> Any:
    """RFC 7396, section 2, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    held = dict(held) if isinstance(held, dict) else {}
    for key, value in patch.items():
        if value is None:
            held.pop(key, None)
        else:
            held[key] = merged(held.get(key), value)
    return held


@given(STATUSES, STATUSES)
def test_a_status_replaces_the_stored_one_whole_whatever_that_held(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    held, wanted = (VMWorkloadStatus.model_validate(one).render() for one in (before, after))
    assert merged(held, replacing(VMWorkloadStatus, wanted)) == wanted


def test_what_an_object_within_a_placements_status_no_longer_says_goes_too() -> None:
    held = {"vmm": {"pid": 7, "version": "7.2"}, "state": "Running"}
    assert merged(held, replacing(VMPlacementStatus, {"vmm": {"pid": 8}})) == {"vmm": {"pid": 8}}
