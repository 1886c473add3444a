"""Claims of workloads that keep others away, found by the labels of whoever comes.

Thousands may hold the same rule, and thousands wait: neither is asked one by one.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from schedune.api.policy import AntiAffinity
from schedune.fleet.node import ClaimRecord

_Pair = tuple[str, str]
_Rule = tuple[str, tuple[_Pair, ...]]
"""Label of the place, and the labels that are meant, in order."""
_NONE: Final[Mapping[_Rule, dict[str, ClaimRecord]]] = {}


class Keepers:
    """The claims that hold each rule, by one of the labels that it means."""

    def __init__(self) -> None:
        self._by_pair: dict[tuple[str, _Pair], dict[_Rule, dict[str, ClaimRecord]]] = {}
        """By namespace and label; then by rule, and by placement."""
        self.version = 0
        """Another once there is a rule that nobody held before, or one less."""

    def add(self, claim: ClaimRecord) -> None:
        """Take in a claim."""
        for where, rule in _rules_of(claim):
            holders = self._by_pair.setdefault(where, {}).setdefault(rule, {})
            self.version += not holders
            holders[claim.placement_uid] = claim

    def drop(self, claim: ClaimRecord) -> None:
        """Forget a claim."""
        for where, rule in _rules_of(claim):
            rules = self._by_pair.get(where, {})
            holders = rules.get(rule, {})
            if holders.pop(claim.placement_uid, None) is None or holders:
                continue
            self.version += 1
            del rules[rule]
            if not rules:
                del self._by_pair[where]

    def of(
        self, namespace: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[str, Mapping[str, ClaimRecord]]]:
        """Return the label of the place, and who holds it, for each rule that means these."""
        if not self._by_pair:
            return
        for pair in labels.items():
            for (key, wanted), holders in self._by_pair.get((namespace, pair), _NONE).items():
                if all(labels.get(name) == value for name, value in wanted):
                    yield key, holders


def _rules_of(claim: ClaimRecord) -> Iterator[tuple[tuple[str, _Pair], _Rule]]:
    for rule in claim.peer.keeps_away:
        meant = _meant(rule)
        if meant:
            yield (claim.namespace, meant[0]), (rule.topology_key, meant)


def _meant(rule: AntiAffinity) -> tuple[_Pair, ...]:
    return tuple(sorted(rule.workload_selector.match_labels.items()))
