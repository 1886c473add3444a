"""Questions about the Kubernetes Node itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from schedune.api.nodetruth import HealthState
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, by_row
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord, Taint
from schedune.launch.intent import Intent

_SOUND = (HealthState.HEALTHY.value, HealthState.WARNING.value)


def check_selector(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where a label of the node selector is missing or different."""
    for key, wanted in sorted(intent.spec.placement.node_selector.items()):
        yield Finding(
            f"nodeSelector/{key}",
            codes.SELECTOR_MISMATCH,
            fleet.mask(lambda node, key=key, wanted=wanted: node.labels.get(key) != wanted),  # type: ignore[misc]
            lambda index, key=key, wanted=wanted: Reason(  # type: ignore[misc]
                codes.SELECTOR_MISMATCH, _label(fleet.nodes[index].labels, key), f"{key}={wanted}"
            ),
        )


def _label(labels: Mapping[str, str], key: str) -> str:
    return f"{key}={labels[key]}" if key in labels else f"no {key}"


def check_ready(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object to a Node that is not Ready, or does not say so."""
    yield Finding(
        "nodeReady",
        codes.NODE_NOT_READY,
        fleet.mask(lambda node: node.node_ready is not True),
        lambda index: Reason(
            codes.NODE_NOT_READY,
            "False" if fleet.nodes[index].node_ready is False else "Unknown",
            "True",
        ),
    )


def check_open(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object to a node that takes no new VMs."""
    yield Finding(
        "nodeOpen",
        codes.NODE_CORDONED,
        ~fleet.open,
        lambda index: Reason(codes.NODE_CORDONED, _closed_by(fleet.nodes[index]), "an open node"),
    )


def _closed_by(node: NodeRecord) -> str:
    if node.unschedulable:
        return "the Node is cordoned"
    return f"spec.scheduling is {node.truth.spec.scheduling.value}" if node.truth else "closed"


def check_taints(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object to taints that keep new workloads away."""
    answers: list[Reason | None] = []
    for node in fleet.nodes:
        hard = [taint for taint in node.taints if taint.effect in ("NoSchedule", "NoExecute")]
        text = ", ".join(_taint(taint) for taint in hard)
        answers.append(Reason(codes.TAINT_NOT_TOLERATED, text, "no such taint") if hard else None)
    return by_row("taints", answers)


def _taint(taint: Taint) -> str:
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"


def check_health(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object to a node that says it is not well, or does not say how it is."""
    unknown = fleet.health == HealthState.UNKNOWN.value
    sound = (fleet.health == _SOUND[0]) | (fleet.health == _SOUND[1])
    wanted = " or ".join(_SOUND)
    yield Finding(
        "health",
        codes.NODE_UNHEALTHY,
        fleet.known & ~sound & ~unknown,
        lambda index: Reason(codes.NODE_UNHEALTHY, str(fleet.health[index]), wanted),
    )
    yield Finding(
        "healthKnown",
        codes.NODE_HEALTH_UNKNOWN,
        fleet.known & unknown,
        lambda index: Reason(codes.NODE_HEALTH_UNKNOWN, "Unknown", wanted),
    )
