"""What the operator counts while it works: the deciding code calls it, and knows no names."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schedune_kube.client import Raw
from schedune_kube.metrics import Target, outcome_of
from schedune_kube.reflector import Key
from schedune_operator.seen.standing import WorkloadState, workload_state

_DOUBLINGS: Final = 15
SECONDS: Final = tuple(0.001 * 2**power for power in range(_DOUBLINGS))
"""1 ms, 2 ms ... 16 s."""
_QUEUE: Final = "workloads"


@dataclass
class Evaluation:
    """One question to the whole fleet, while it is asked."""

    placed: bool = False
    """Whether some node was chosen."""


class Meter:
    """Counters and histograms of the deciding process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._since: dict[Key, float] = {}
        """Since when workloads wait that have not been found unplaceable (monotonic)."""
        self._attempts = self._counter(
            "schedune_evaluation_attempts", "Workloads judged against the whole fleet", "result"
        )
        self._durations = Histogram(
            "schedune_evaluation_duration_seconds",
            "How long it took to judge one workload against the whole fleet",
            ("result",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._sli = Histogram(
            "schedune_scheduling_sli_duration_seconds",
            "From when a workload that some node can run was seen until its placement existed",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._patches = self._counter(
            "schedune_status_patches", "Statuses of workloads that were to be written", "outcome"
        )
        self._truths = self._counter(
            "schedune_truth_writes", "Writes about nodes", "kind", "outcome"
        )
        self._depth = Gauge(
            "workqueue_depth",
            "Workloads that are to be looked at",
            ("name",),
            registry=self.registry,
        )
        self._adds = self._counter("workqueue_adds", "Workloads that were to be looked at", "name")
        self._work = Histogram(
            "workqueue_work_duration_seconds",
            "How long one look at a workload took, with what was written",
            ("name",),
            buckets=SECONDS,
            registry=self.registry,
        )
        for result in ("placed", "unschedulable", "error"):
            self._attempts.labels(result)
        for outcome in ("changed", "noop", "conflict", "error"):
            self._patches.labels(outcome)
        self._depth.labels(_QUEUE)
        self._adds.labels(_QUEUE)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(name, told, labels, registry=self.registry)

    # --- decisions -------------------------------------------------------------------

    @contextmanager
    def evaluation(self) -> Iterator[Evaluation]:
        """Time one question to the fleet; whoever asks says what came of it."""
        found, began, result = Evaluation(), time.perf_counter(), "error"
        try:
            yield found
            result = "placed" if found.placed else "unschedulable"
        finally:
            self._attempts.labels(result).inc()
            self._durations.labels(result).observe(time.perf_counter() - began)

    def noticed(self, key: Key, raw: Raw | None) -> None:
        """Note that a workload came, changed or went: one that is to be decided on waits now."""
        if raw is not None and workload_state(raw) is WorkloadState.DECIDING:
            self._since.setdefault(key, time.monotonic())
        else:
            self._since.pop(key, None)

    def found_nowhere(self, key: Key) -> None:
        """Note that no node can run a workload: how long it waits is not up to us."""
        self._since.pop(key, None)

    def placed(self, key: Key) -> None:
        """Note that a placement exists."""
        since = self._since.pop(key, None)
        if since is not None:
            self._sli.observe(time.monotonic() - since)

    # --- writes ----------------------------------------------------------------------

    def kept_status(self) -> None:
        """Count a status that says already what would be written."""
        self._patches.labels("noop").inc()

    def asked(self, method: str, target: Target, status: int | None) -> None:
        """Count a request that was to write a status."""
        if (method, target.subresource) != ("PATCH", "status"):
            return
        if target.resource == "vmworkloads":
            self._patches.labels(outcome_of(status)).inc()
        elif target.resource == "nodetruths":
            self._truths.labels("Conditions", outcome_of(status)).inc()

    # --- the queue -------------------------------------------------------------------

    def added(self) -> None:
        """Count one more workload that is to be looked at, and was not before."""
        self._adds.labels(_QUEUE).inc()

    def queued(self, keys: int) -> None:
        """Note that so many workloads are to be looked at."""
        self._depth.labels(_QUEUE).set(keys)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Time one look at a workload."""
        with self._work.labels(_QUEUE).time():
            try:
                yield
            finally:
                self._depth.labels(_QUEUE).dec()
