"""How the agent is seen from outside: metrics and readiness, of all nodes of one process."""

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from schedune.api.nodetruth import LiveVM, Orphan
from schedune.lifecycle.orphans import OrphanClass
from schedune_kube.client import Meter
from schedune_kube.metrics import RequestMetrics, Target, outcome_of
from schedune_kube.serving import Check, ListenSettings, observed, serve

_WRITES: Final = ("PATCH", "POST")
_ORPHANS: Final = [one.value for one in OrphanClass]


@dataclass
class Vitals:
    """What is seen of one node's agent."""

    lease_s: float
    """How long a heartbeat counts."""
    live_vms: Callable[[], Sequence[LiveVM]] = tuple
    orphans: Callable[[], Sequence[Orphan]] = tuple
    waits_for: str = "its token"
    """What the agent waits for before it works; "" when it works."""
    _beat: float = field(default=float("-inf"), init=False)

    def beats(self) -> None:
        """Note that the heartbeat was renewed."""
        self._beat = time.monotonic()

    def missing(self) -> str:
        """Say what is missing of a working agent."""
        if self.waits_for:
            return f"waits for {self.waits_for}"
        if time.monotonic() - self._beat > self.lease_s:
            return f"its heartbeat was not renewed for {self.lease_s:g} s"
        return ""


class AgentMetrics(Collector):
    """Counts for all agents of this process together: nodes are no labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._agents: list[Vitals] = []
        self._requests = RequestMetrics(registry)
        self._writes = Counter(
            "schedune_truth_writes", "Writes about nodes", ("kind", "outcome"), registry=registry
        )
        for kind in ("Facts", "Lease"):
            for outcome in ("changed", "conflict", "error"):
                self._writes.labels(kind, outcome)
        registry.register(self)

    def follow(self, vitals: Vitals, server: str) -> Meter:
        """Count for one more agent; return what its client tells of its requests."""
        self._agents.append(vitals)

        def asked(method: str, target: Target, status: int | None) -> None:
            if method not in _WRITES:
                return
            if target.resource == "leases":
                self._writes.labels("Lease", outcome_of(status)).inc()
                if outcome_of(status) == "changed":
                    vitals.beats()
            elif target.resource == "nodetruths":
                self._writes.labels("Facts", outcome_of(status)).inc()

        return self._requests.meter(server, asked)

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the names are this collector's own."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count what runs."""
        vms = sum(len(one.live_vms()) for one in self._agents)
        yield GaugeMetricFamily("schedune_vms", "VMs that run here, or may", value=vms)
        orphans = Counts(str(found.class_) for one in self._agents for found in one.orphans())
        family = GaugeMetricFamily(
            "schedune_orphans",
            "What no placement accounts for, by what it is",
            labels=("class",),
        )
        for kind in _ORPHANS:
            family.add_metric((kind,), orphans[kind])
        yield family

    def window(self) -> web.Application:
        """Return what tells of this process."""
        return observed(self._registry, [Check("agents", self._missing)])

    def _missing(self) -> str:
        """Say what is missing of the first agent that is not ready, and of how many more."""
        told = [missing for one in self._agents if (missing := one.missing())]
        if not self._agents:
            return "none has begun yet"
        more = f" (and {len(told) - 1} more of {len(self._agents)})" if len(told) > 1 else ""
        return f"{told[0]}{more}" if told else ""


async def show(where: ListenSettings, metrics: AgentMetrics) -> None:
    """Serve metrics and readiness for ever."""
    await serve("observability", where, metrics.window())
