"""The decision engine: verdicts, explanations, placing in a row, memory, against a plain loop."""

import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, Final

from fleets import noisy, real
from table import tell

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.decision.decide import decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.standing import Standings
from schedune.decision.why import why_lines
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.launch.intent import Intent
from schedune_testing.nodes import NOW, intent
from schedune_testing.oracle import PlainNode, compile_intent, judge

POLICY: Final = SchedulingPolicy(backends=list(Backend))
DEMANDING: Final[dict[str, Any]] = {
    "architecture": "arm64",
    "resources": {"vcpus": 8, "memory": "300Gi"},
    "backend": {
        "preference": ["CloudHypervisor", "QEMU", "Firecracker"],
        "versions": [{"name": "QEMU", "minimum": "8.0"}],
    },
    "placement": {
        "nodeSelector": {"topology.kubernetes.io/zone": "a"},
        "requiredCapabilities": ["hardware_tpm"],
        "compatibilityClasses": ["ArmProduction"],
        "forbiddenConstraints": ["DISK_SLOW"],
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
                ]
            }
        },
    },
}


def median_ms(run: Callable[[], object], times: int = 15) -> float:
    """Return the median of several runs in milliseconds."""
    took = []
    run()
    for _ in range(times):
        started = time.perf_counter()
        run()
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1000


def explain(fleet: Fleet, wanted: Intent) -> tuple[int, int]:
    """Make the whole explanation and return its size in status: unplaced and placed."""
    explanation = Explanation(decide(fleet, wanted, now=NOW, policy=POLICY))
    why_lines(explanation)
    unplaced = evaluation_of(explanation).render()
    placed = evaluation_of(explanation, placed=True).render()
    return len(json.dumps(unplaced)), len(json.dumps(placed))


def measure_fleet(name: str, records: list[NodeRecord], bound: str) -> float:
    """Measure verdicts and explanation on one fleet; return the milliseconds of verdicts."""
    fleet, wanted = Fleet.of(records), intent(**DEMANDING)
    decision = decide(fleet, wanted, now=NOW, policy=POLICY)
    sets = Explanation(decision).signatures(0)[1]
    tell(f"{name}: {len(fleet)} nodes, distinct sets of codes", f"{sets}")
    verdicts = median_ms(lambda: decide(fleet, wanted, now=NOW, policy=POLICY).chosen)
    tell(f"{name}: verdicts, all checks, three backends", f"{verdicts:.2f} ms", "<= 4 ms at 10,000")

    def whole() -> object:
        made = Explanation(decision)
        why_lines(made)
        return evaluation_of(made)

    tell(f"{name}: whole explanation", f"{median_ms(whole, 7):.2f} ms", bound)
    unplaced, placed = explain(fleet, wanted)
    tell(
        f"{name}: explanation in status, unplaced / placed",
        f"{unplaced} / {placed} B",
        "<= 32768 / 2048",
    )
    return verdicts


def measure_baseline(records: list[NodeRecord], engine_ms: float) -> None:
    """Measure the plain loop on the same fleet and intent, in the same run."""
    wanted = compile_intent(intent(**DEMANDING), POLICY)
    nodes = [PlainNode(one, NOW) for one in sorted(records, key=lambda one: one.name)]
    loop = median_ms(lambda: judge(nodes, wanted), 7)
    checks = len(wanted.common) + sum(len(one) for _, one in wanted.backends)
    each = loop * 1000 / (len(nodes) * checks)
    tell(
        f"plain loop: {checks} checks on {len(nodes)} nodes",
        f"{loop:.1f} ms",
        f"{each:.3f} us each",
    )
    tell("engine against plain loop", f"{loop / engine_ms:.1f} x", ">= 15 x at 10,000")


def measure_rate(name: str, size: int, intents: list[Intent], count: int, bound: str) -> None:
    """Place one after another with reservations."""
    fleet = Fleet.of(real(size))
    standings, placed = Standings(fleet, POLICY), 0
    for wanted in intents[:50]:
        standings.choose(wanted, NOW)
    started = time.perf_counter()
    for number in range(count):
        wanted = intents[number % len(intents)]
        choice = standings.choose(wanted, NOW)
        if choice is not None:
            placed += 1
            claim = ClaimRecord(choice.node_name, f"p{number}", wanted.vcpus, wanted.memory_bytes)
            fleet.reserve(claim)
    rate = count / (time.perf_counter() - started)
    tell(f"{name}: {placed} of {count} placed on {size} nodes", f"{rate:.0f} /s", bound)


def measure_memory(size: int) -> None:
    """Measure what a fleet keeps of a node, its records and truths let go."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    fleet = Fleet.of(iter(real(size)))
    decide(fleet, intent(**DEMANDING), now=NOW, policy=POLICY)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    tell(f"memory of {len(fleet)} nodes, each", f"{used / size:.0f} B", "<= 4096 B")


def main() -> None:
    """Print the table."""
    records = real(10_000)
    engine = measure_fleet("real", records, "<= 10 ms at 10,000")
    measure_baseline(records, engine)
    measure_fleet("random", noisy(10_000), "<= 60 ms at 10,000")
    large = measure_fleet("real", real(100_000), "")
    tell("verdicts, 100,000 against 10,000 nodes", f"{large / engine:.1f} x", "<= 10 x")
    profiles = [
        intent(
            resources={"vcpus": 1 + number % 4, "memory": f"{1 + number % 13}Gi"},
            placement={"nodeSelector": {"topology.kubernetes.io/zone": "abc"[number % 3]}},
        )
        for number in range(50)
    ]
    measure_rate("50 demand profiles", 5_000, profiles, 3_000, ">= 1000 /s")
    different = [
        intent(resources={"vcpus": 1 + number % 4, "memory": f"{1024 + number}Mi"})
        for number in range(1_000)
    ]
    measure_rate("all different", 5_000, different, 1_000, ">= 300 /s")
    measure_memory(5_000)


if __name__ == "__main__":
    main()
