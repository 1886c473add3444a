"""Who keeps whom away, found without asking everybody: the same as by asking everybody."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schedune.api.policy import AntiAffinity, WorkloadSelector
from schedune.fleet.keepers import Keepers
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer, selects

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
RULES = st.builds(
    lambda key, labels: AntiAffinity(
        topology_key=key, workload_selector=WorkloadSelector(match_labels=labels)
    ),
    st.sampled_from(["zone", "rack"]),
    LABELS,
)
CLAIMS = st.builds(
    lambda uid, namespace, rules: ClaimRecord(
        "n", uid, 0, 0, namespace=namespace, peer=Peer({}, tuple(rules))
    ),
    st.sampled_from("pqrs"),
    st.sampled_from(["one", "two"]),
    st.lists(RULES, max_size=3),
)


@given(st.lists(st.tuples(st.booleans(), CLAIMS), max_size=12), LABELS)
def test_those_are_found_whose_rules_mean_the_labels(
    steps: list[tuple[bool, ClaimRecord]], labels: dict[str, str]
) -> None:
    keepers, held = Keepers(), dict[str, ClaimRecord]()
    for comes, claim in steps:
        before = held.pop(claim.placement_uid, None)
        if before is not None:
            keepers.drop(before)
        if comes:
            held[claim.placement_uid] = claim
            keepers.add(claim)
    for namespace in ("one", "two"):
        expected = {
            (rule.topology_key, claim.placement_uid)
            for claim in held.values()
            if claim.namespace == namespace
            for rule in claim.peer.keeps_away
            if selects(rule.workload_selector, labels)
        }
        found = keepers.of(namespace, labels)
        assert {(key, uid) for key, holders in found for uid in holders} == expected
    for claim in held.values():
        keepers.drop(claim)
    assert not keepers._by_pair


def test_one_more_who_holds_the_same_rule_is_no_news() -> None:
    keepers, versions = Keepers(), Counter[int]()
    rule = AntiAffinity(
        topology_key="zone", workload_selector=WorkloadSelector(match_labels={"a": "x"})
    )
    for uid in "pqr":
        keepers.add(ClaimRecord("n", uid, 0, 0, namespace="one", peer=Peer({}, (rule,))))
        versions[keepers.version] += 1
    assert list(versions.values()) == [3]
