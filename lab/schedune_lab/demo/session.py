"""From nothing to the verdict: bring a lab up, tell the story, leave nothing behind."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType

import click

from schedune_lab.demo.report import Report
from schedune_lab.demo.story import summarise, tell
from schedune_lab.demo.world import DemoLab
from schedune_lab.progress import LabError


def run_demo(
    open_lab: Callable[[], AbstractContextManager[DemoLab]], report_path: Path | None
) -> bool:
    """Run the demo and say whether every step passed.

    ``open_lab`` starts a lab and ends it on the way out, whatever happened in between.
    The report is written in every case, so that a pipeline sees how far it came.
    """
    report = Report()
    try:
        with _interruptible(), open_lab() as lab:
            tell(lab, report)
    except LabError as error:
        click.secho(f"the lab failed: {error}", fg="red", err=True)
        return False
    finally:
        if report_path is not None:
            report.write(report_path)
    summarise(report)
    return report.passed


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: through the way out."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
