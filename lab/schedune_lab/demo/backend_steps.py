"""The step of the VMMs that few machines have: the exact launch where they are, or why not."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from schedune_lab.demo.fleet_steps import EXAMPLES, WHY
from schedune_lab.demo.prepared import show_prepared
from schedune_lab.demo.report import Report
from schedune_lab.demo.world import DemoLab, Kubectl, StepError, claim, condition

BACKENDS: Final = {"cloud-hypervisor": "CloudHypervisor", "firecracker": "Firecracker"}
"""By the name of the example: the only backend that it takes."""
EQUIPPED: Final = "micro-01"
_ANSWER_S: Final = 60
_ANSWERS: Final = (0, 1)
"""Exit statuses of `why-not`: the node can run it, or not."""
_CODE: Final = re.compile(r"^ +code +(\S+)", re.MULTILINE)


def prepare_backends(lab: DemoLab, kubectl: Kubectl, report: Report) -> None:
    """Each is prepared on a node that has it, and this machine says what stands against it."""
    click.echo(
        f"{EQUIPPED} has both. It is a recorded node: its agent prepares and runs nothing.\n"
    )
    for name, backend in BACKENDS.items():
        report.backends[backend] = _prepare(lab, kubectl, name)
        claim(report.backends[backend]["backend"] == backend, f"{name} has another backend")


def _prepare(lab: DemoLab, kubectl: Kubectl, name: str) -> dict[str, object]:
    kubectl.apply(EXAMPLES / f"{name}.yaml", name)
    ready = f"vmworkload/{name}"
    kubectl.show("wait", "--for=condition=Ready", ready, f"--timeout={_ANSWER_S}s")
    kubectl.show("get", "vmworkload", name, "-o", f"jsonpath={WHY}")
    workload, placement = kubectl.read("vmworkload", name), kubectl.read("vmplacement", name)
    claim(condition(workload, "Ready").get("reason") == "DryRunPrepared", "it is no dry run")
    prepared = show_prepared(placement)
    claim(prepared.get("requests"), f"{name} is told nothing by requests")
    spec = (placement or {}).get("spec", {})
    against = _ask_why_not(lab, name)
    if not against:
        click.echo("This machine could run it too: without `launchMode: DryRun` it would.\n")
    return {
        "node": spec["nodeName"],
        "backend": spec["backend"],
        "requests": len(prepared["requests"]),
        "againstThisMachine": against,
    }


def _ask_why_not(lab: DemoLab, name: str) -> list[str]:
    """Print everything that stands against it on this machine, and return the codes of that.

    Raises:
        StepError: the command gave no answer.
    """
    arguments = ["why-not", f"vmw/{name}", lab.node]
    click.secho(f"$ schedune {' '.join(arguments)}", bold=True)
    schedune = Path(sys.executable).with_name("schedune")
    command = [str(schedune), *arguments, "--kubeconfig", str(lab.user_kubeconfig)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(f"schedune {' '.join(arguments)} gave no answer") from error
    codes = _CODE.findall(done.stdout)
    if done.returncode not in _ANSWERS or bool(codes) != bool(done.returncode):
        raise StepError(f"schedune {' '.join(arguments)} failed: {done.stderr.strip()[-400:]}")
    for line in done.stdout.rstrip().splitlines():
        click.echo(f"  {line}")
    click.echo()
    return codes
