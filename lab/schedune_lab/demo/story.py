"""Tell the story step by step, stop at the first that fails, and report all of it."""

import time
from collections.abc import Callable
from typing import Final

import click

from schedune_lab.demo.backend_steps import prepare_backends
from schedune_lab.demo.fleet_steps import ask_the_impossible, place_payments, show_fleet
from schedune_lab.demo.report import Report, StepReport
from schedune_lab.demo.vm_steps import delete_vm, outlive_agent, run_vm
from schedune_lab.demo.world import DemoLab, Kubectl, StepError
from schedune_lab.progress import LabError

Step = Callable[[DemoLab, Kubectl, Report], None]

STEPS: Final[tuple[tuple[str, str, Step], ...]] = (
    ("fleet", "A fleet, and what is known of it", show_fleet),
    ("payments", "One VM, five nodes: who can run it, and why not the others", place_payments),
    ("backends", "Cloud Hypervisor and Firecracker: what would run where", prepare_backends),
    ("vm", "A real VM on this machine", run_vm),
    ("agent-restart", "The agent dies, the VM does not", outlive_agent),
    ("impossible", "What nobody can run, and what would have to change", ask_the_impossible),
    ("delete", "kubectl delete: powered down in order, nothing left", delete_vm),
)


def tell(lab: DemoLab, report: Report) -> None:
    """Run every step; those after a failure are reported as not reached."""
    kubectl = Kubectl(lab)
    report.kubernetes = lab.kubernetes
    report.steps = [StepReport(name, error="not reached") for name, _, _ in STEPS]
    pairs = zip(report.steps, STEPS, strict=True)
    for number, (step, (_, title, run)) in enumerate(pairs, start=1):
        click.secho(f"\n== {number}/{len(STEPS)} {title}\n", bold=True)
        started = time.monotonic()
        try:
            run(lab, kubectl, report)
        except (StepError, LabError) as error:
            step.error = str(error)
        except (LookupError, TypeError, OSError, ValueError) as error:
            step.error = f"an object has not the expected form: {type(error).__name__}: {error}"
        else:
            step.passed, step.error = True, None
        step.seconds = time.monotonic() - started
        word = "passed" if step.passed else f"FAILED: {step.error}"
        click.secho(f"-- {word} ({step.seconds:.1f} s)", fg="green" if step.passed else "red")
        if not step.passed:
            return


def summarise(report: Report) -> None:
    """Print one line a step, and the verdict."""
    click.echo()
    for step in report.steps:
        click.echo(f"  {'passed' if step.passed else 'FAILED'}  {step.seconds:6.1f} s  {step.name}")
    passed = sum(step.passed for step in report.steps)
    click.echo(f"\n{passed} of {len(report.steps)} steps passed, on Kubernetes {report.kubernetes}")
