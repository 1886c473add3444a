"""``schedune lab``: up, down, status, prepare, demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
from rich.console import Console
from rich.table import Table

from schedune_lab import lab as labs
from schedune_lab.demo.session import run_demo
from schedune_lab.lab import Lab
from schedune_lab.processes import is_alive
from schedune_lab.progress import LabError, say
from schedune_lab.state import State, default_state

P = ParamSpec("P")

_STATE = click.option(
    "--state", type=click.Path(path_type=Path), default=None,
    help="The lab's directory; several labs have several.",
)  # fmt: skip


def _told(command: Callable[P, None]) -> Callable[P, None]:
    """Tell a LabError as one message, never as a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LabError as error:
            raise click.ClickException(str(error)) from error

    return wrapped


@click.group()
def lab() -> None:
    """A real control plane, the operator, agents and a demo fleet on this machine."""


@lab.command()
@_told
def prepare() -> None:
    """Fetch and build what labs and tests need; the second time there is nothing to do."""
    labs.prepare()


@lab.command()
@_STATE
@_told
def up(state: Path | None) -> None:
    """Bring the lab up, or find it."""
    found = labs.up(_folder(state))
    click.echo(f"export KUBECONFIG={found.user_kubeconfig}")


@lab.command()
@_STATE
@_told
def down(state: Path | None) -> None:
    """End what the lab started, and leave nothing."""
    folder = _folder(state)
    if not folder.exists():
        raise LabError(f"there is no lab in {folder}")
    labs.down(folder)
    say("the lab is gone")


@lab.command()
@_STATE
@_told
def status(state: Path | None) -> None:
    """Show the lab's parts; exit status 1 when one does not run."""
    folder = _folder(state)
    held = State(folder)
    table = Table("PART", "PID", "STATE", "RESTARTS", box=None)
    all_run = labs.find(folder) is not None
    for part in held.parts():
        found = held.identity(part.name)
        alive = found is not None and is_alive(found[0])
        stopped = held.stop_file(part.name).exists()
        all_run = all_run and (alive or stopped)
        told = "running" if alive else "stopped on purpose" if stopped else "down"
        table.add_row(
            part.name, str(found[0].pid) if found else "-", told, str(found[1]) if found else "0"
        )
    Console().print(table)
    click.echo(f"export KUBECONFIG={folder / 'user.kubeconfig'}")
    if not all_run:
        raise SystemExit(1)


@lab.command()
@_STATE
@click.option(
    "--report", type=click.Path(path_type=Path), default=None, help="Write what was seen as JSON."
)
@click.option("--keep", is_flag=True, help="Leave the lab running afterwards.")
@_told
def demo(state: Path | None, report: Path | None, keep: bool) -> None:  # noqa: FBT001 - click's way
    """Tell the whole story, each step with its real output."""
    folder = _folder(state)

    @contextmanager
    def open_lab() -> Iterator[Lab]:
        try:
            yield labs.up(folder)
        finally:
            if not keep:
                labs.down(folder)

    if not run_demo(open_lab, report):
        raise SystemExit(1)


def _folder(state: Path | None) -> Path:
    return (state or default_state("default")).resolve()
