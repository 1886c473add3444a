"""Questions about the state of the node itself: ready, open, well."""

from collections.abc import Iterable
from typing import Final

from schedune.api.nodetruth import HealthState, Scheduling
from schedune.api.vmworkload import LaunchMode
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.profile import LAUNCHES, NodeProfile

_SOUND: Final = (HealthState.HEALTHY.value, HealthState.WARNING.value)


def check_ready(question: Question) -> Iterable[Finding]:
    """Object to a Node that is not Ready, or does not say so."""
    view = question.view
    yield Finding(
        "nodeReady",
        codes.NODE_NOT_READY,
        view.ask("node_ready", lambda ready: ready is not True),
        lambda at: Reason(
            codes.NODE_NOT_READY,
            "False" if view.node(at).node_ready is False else "Unknown",
            "True",
        ),
        change=lambda at: "the Node is Ready",
    )


def check_open(question: Question) -> Iterable[Finding]:
    """Object to a node that takes no new VMs: cordoned, or being drained."""
    view = question.view
    yield Finding(
        "nodeDraining",
        codes.NODE_DRAINING,
        view.ask("openness", lambda one: one[1] == Scheduling.DRAINING.value),
        lambda at: Reason(codes.NODE_DRAINING, "spec.scheduling is Draining", "Enabled"),
        change=lambda at: "draining is taken back",
    )
    yield Finding(
        "nodeOpen",
        codes.NODE_CORDONED,
        view.ask("openness", lambda one: one[0] or one[1] == Scheduling.CORDONED.value),
        lambda at: Reason(codes.NODE_CORDONED, _closed_by(view.node(at)), "an open node"),
        change=lambda at: "it is uncordoned",
    )


def _closed_by(node: NodeProfile) -> str:
    by_truth = node.scheduling == Scheduling.CORDONED.value
    return "spec.scheduling is Cordoned" if by_truth else "the Node is cordoned"


def check_launches(question: Question) -> Iterable[Finding]:
    """Object to a node whose agent launches nothing, where something is to be launched."""
    view = question.view
    if question.intent.spec.launch_mode is not LaunchMode.EXECUTE:
        return
    yield Finding(
        "nodeLaunches",
        codes.NODE_LAUNCHES_NOTHING,
        view.known & view.ask("execution", lambda execution: execution != LAUNCHES),
        lambda at: Reason(codes.NODE_LAUNCHES_NOTHING, _execution(view.node(at)), LAUNCHES),
        change=lambda at: "its agent launches",
    )


def _execution(node: NodeProfile) -> str:
    return node.facts.execution if node.facts else ""


def check_health(question: Question) -> Iterable[Finding]:
    """Object to a node that says it is not well, or does not say how it is."""
    view, wanted = question.view, " or ".join(_SOUND)
    unknown = HealthState.UNKNOWN.value
    yield Finding(
        "health",
        codes.NODE_UNHEALTHY,
        view.known & view.ask("health", lambda state: state not in (*_SOUND, unknown)),
        lambda at: Reason(codes.NODE_UNHEALTHY, _health(view.node(at)), wanted),
        change=lambda at: f"its health is {wanted} (is {_health(view.node(at))})",
    )
    yield Finding(
        "health",
        codes.NODE_HEALTH_UNKNOWN,
        view.known & view.ask("health", lambda state: state == unknown),
        lambda at: Reason(codes.NODE_HEALTH_UNKNOWN, unknown, wanted),
        change=lambda at: f"its health is known to be {wanted}",
    )


def _health(node: NodeProfile) -> str:
    return node.facts.health if node.facts else HealthState.UNKNOWN.value
