"""Gauges that are read from the operator's world when somebody scrapes them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from schedune.fleet.profile import NodeProfile, microseconds
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import (
    NodeState,
    WorkloadState,
    codes_against,
    node_state,
    proof_age_s,
    workload_state,
)

_AGES_S: Final = (15, 30, 60, 120, 180, 300, 600, 900, 3600, 86_400)
_ARCHITECTURES: Final = ("amd64", "arm64")
_OTHER: Final = "other"
"""A node could call itself anything: what is no architecture of ours makes no label."""


@dataclass(eq=False)
class FleetCollector(Collector):
    """Counts nodes and workloads. A standby tells nothing of them: sums over both stay true."""

    reading: Reading
    leader_name: str

    def register(self, registry: CollectorRegistry) -> None:
        """Be asked at every scrape."""
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the names are this collector's own."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Look at the world."""
        leads = self.reading.leading()
        leader = GaugeMetricFamily(
            "leader_election_master_status",
            "1 for the one that decides, 0 for a standby",
            labels=("name",),
        )
        leader.add_metric((self.leader_name,), float(leads))
        yield leader
        if leads:
            yield from self._nodes()
            yield from self._workloads()

    def _nodes(self) -> Iterator[Metric]:
        now_us = microseconds(self.reading.clock())
        nodes = self.reading.fleet().nodes
        counts: Counter[tuple[str, str]] = Counter(
            (node_state(node, now_us, self.reading.expire_s).value, _architecture(node))
            for node in nodes
        )
        family = GaugeMetricFamily(
            "schedune_nodes", "Nodes by what they are to VMs", labels=("state", "arch")
        )
        for state in NodeState:
            for architecture in (*_ARCHITECTURES, _OTHER):
                count = counts[state.value, architecture]
                family.add_metric((state.value, architecture), count)
        yield family
        yield _ages(nodes, now_us)

    def _workloads(self) -> Iterator[Metric]:
        states: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        for raw in self.reading.workloads().values():
            state = workload_state(raw)
            states[state.value] += 1
            codes.update(codes_against(raw, state))
        family = GaugeMetricFamily(
            "schedune_workloads", "Workloads by what they are doing", labels=("state",)
        )
        for one in WorkloadState:
            family.add_metric((one.value,), states[one.value])
        yield family
        against = GaugeMetricFamily(
            "schedune_unschedulable_workloads",
            "Workloads without a node, by what stands in the way; each once under each code",
            labels=("code",),
        )
        for code, count in sorted(codes.items()):
            against.add_metric((code,), count)
        yield against


def _architecture(node: NodeProfile) -> str:
    found = node.facts.architecture if node.facts is not None else ""
    return found if found in _ARCHITECTURES else _OTHER


def _ages(nodes: Iterable[NodeProfile], now_us: int) -> Metric:
    """Return how old nodes' facts are; those of which nobody knows are older than any bound."""
    ages = [proof_age_s(node, now_us) for node in nodes]
    known = sorted(age for age in ages if age is not None)
    buckets = [(str(float(bound)), sum(age <= bound for age in known)) for bound in _AGES_S]
    return GaugeHistogramMetricFamily(
        "schedune_node_truth_age_seconds",
        "How long ago the facts of each node were vouched for",
        buckets=[*buckets, ("+Inf", len(ages))],
        gsum_value=sum(known),
    )
