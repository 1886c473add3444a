"""The steps that judge the fleet: what is known, what is chosen, what would have to change."""

from functools import partial
from pathlib import Path
from typing import Final

import click

from schedune_lab.demo.prepared import show_prepared
from schedune_lab.demo.report import Report
from schedune_lab.demo.world import (
    DemoLab,
    Kubectl,
    Object,
    claim,
    condition,
    status_of,
    wait_for,
)

EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples"
RECORDED: Final = ("arm-01", "arm-02", "edge-01", "micro-01", "x86-02")
SILENT: Final = "x86-02"
EXPECTED: Final = {
    "arm-02": ["REJECT_MISSING_KVM"],
    "edge-01": ["REJECT_INSUFFICIENT_MEMORY"],
    "micro-01": ["REJECT_ARTIFACT_MISSING"],
    "x86-02": ["REJECT_TELEMETRY_STALE"],
}
_FRESH_S: Final = 60.0
_ANSWER_S: Final = 60.0
WHY: Final = "{range .status.why[*]}{@}{'\\n'}{end}"


def show_fleet(lab: DemoLab, kubectl: Kubectl, _report: Report) -> None:
    """Every node tells what it is; then one falls silent and its facts grow stale."""
    nodes = (*RECORDED, lab.node)
    lab.start_agent(SILENT)  # an earlier demo on this lab left it stopped
    for node in nodes:
        wait_for(f"the facts of {node} are fresh", partial(_is_fresh, kubectl, node), _FRESH_S)
    click.echo(f"Now the agent of {SILENT} is stopped: nobody vouches for its facts any more.\n")
    lab.stop_agent(SILENT)
    wait_for(
        f"the facts of {SILENT} are stale",
        lambda: condition(kubectl.read("ntruth", SILENT), "Fresh").get("status") == "False",
        _FRESH_S,
    )
    kubectl.show("get", "nodetruths")
    for node in nodes:
        claim(node == SILENT or _is_fresh(kubectl, node), f"the facts of {node} are not fresh")


def _is_fresh(kubectl: Kubectl, node: str) -> bool:
    return condition(kubectl.read("ntruth", node), "Fresh").get("status") == "True"


def place_payments(_lab: DemoLab, kubectl: Kubectl, report: Report) -> None:
    """One node of five can run it; the others hear why not. The launch is prepared, not run."""
    kubectl.apply(EXAMPLES / "payments.yaml", "payments")
    kubectl.show("wait", "--for=condition=Ready", "vmworkload/payments", "--timeout=60s")
    kubectl.show("describe", "vmworkload", "payments")
    workload = kubectl.read("vmworkload", "payments")
    placement = kubectl.read("vmplacement", "payments")
    rejected = rejected_nodes(workload)
    report.payments = {
        "node": status_of(workload).get("nodeName"),
        "state": status_of(placement).get("state"),
        "rejected": {node: rejected.get(node, []) for node in EXPECTED},
    }
    claim(report.payments["node"] == "arm-01", f"chosen was {report.payments['node']}, not arm-01")
    claim(report.payments["rejected"] == EXPECTED, f"rejected were {rejected}")
    claim(condition(workload, "Ready").get("reason") == "DryRunPrepared", "it is no dry run")
    show_prepared(placement)


def rejected_nodes(workload: Object | None) -> dict[str, list[str]]:
    """Return the causes against each node, as the workload's status tells them."""
    signatures = status_of(workload).get("evaluation", {}).get("signatures", [])
    return {node: one["codes"] for one in signatures for node in one.get("sampleNodes", [])}


def ask_the_impossible(_lab: DemoLab, kubectl: Kubectl, _report: Report) -> None:
    """No node can run it: the answer is what would have to change, in numbers."""
    kubectl.apply(EXAMPLES / "impossible.yaml", "warehouse")
    wait_for(
        "the impossible intent is judged",
        lambda: status_of(kubectl.read("vmworkload", "warehouse")).get("evaluation"),
        _ANSWER_S,
    )
    workload = kubectl.read("vmworkload", "warehouse")
    kubectl.show("get", "vmworkload", "warehouse", "-o", f"jsonpath={WHY}")
    evaluation = status_of(workload)["evaluation"]
    claim(evaluation["nodesEligible"] == 0, "a node can run what none can")
    claim(condition(workload, "Ready").get("status") == "False", "it is not said to be not Ready")
    nearest = {one["nodeName"]: one["message"] for one in evaluation.get("nearest", [])}
    claim("memory <=" in nearest.get("arm-01", ""), f"no number is given for arm-01: {nearest}")
    click.echo("What would have to change:\n")
    for message in nearest.values():
        click.echo(f"  {message}")
    click.echo()
    kubectl.show("delete", "vmworkload", "warehouse", "--timeout=60s")
