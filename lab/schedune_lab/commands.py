"""``schedune lab``: up, down, status, prepare, demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table

from schedune_lab import lab as labs
from schedune_lab.demo.session import run_demo
from schedune_lab.existing import Wish
from schedune_lab.lab import Lab
from schedune_lab.progress import LabError, say
from schedune_lab.state import State, default_state

P = ParamSpec("P")
Command = TypeVar("Command", bound=Callable[..., object])

_STATE = click.option(
    "--state", type=click.Path(path_type=Path), default=None,
    help="The lab's directory; several labs have several.",
)  # fmt: skip


def _cluster(command: Command) -> Command:
    """Let a command use an existing cluster instead of a control plane of its own."""
    for option in (
        click.option(
            "--not-empty", is_flag=True,
            help="Come although something of Schedune's is there; nothing of it is overwritten.",
        ),
        click.option("--context", default=None, help="A context of that kubeconfig."),
        click.option(
            "--kubeconfig", type=click.Path(path_type=Path), default=None,
            help="Use an existing cluster; `down` removes again what was added.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


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
@_cluster
@_told
def up(
    state: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    not_empty: bool,  # noqa: FBT001 - click's way
) -> None:
    """Bring the lab up, or find it."""
    found = labs.up(_folder(state), _wish(kubeconfig, context, not_empty=not_empty))
    click.echo(f"export KUBECONFIG={found.user_kubeconfig}")
    click.echo(f"# the fleet page: {found.ports.fleet_page_url}")


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
    for part in held.parts():
        alive, found = held.alive(part.name), held.identity(part.name)
        stopped = held.stop_file(part.name).exists()
        told = "running" if alive else "stopped on purpose" if stopped else "down"
        restarts = str(found[1]) if found else "0"
        table.add_row(part.name, str(found[0].pid) if found else "-", told, restarts)
    Console().print(table)
    facts = held.facts()
    if facts is not None and facts.given is not None:
        click.echo(f"on {facts.server}, by {facts.given.kubeconfig} ({facts.given.context})")
    click.echo(f"export KUBECONFIG={folder / 'user.kubeconfig'}")
    if facts is not None:
        click.echo(f"# the fleet page: {facts.ports.fleet_page_url}")
    if labs.find(folder) is None or not held.all_run():
        raise SystemExit(1)


@lab.command()
@_STATE
@click.option(
    "--report", type=click.Path(path_type=Path), default=None, help="Write what was seen as JSON."
)
@click.option("--keep", is_flag=True, help="Leave the lab running afterwards.")
@_cluster
@_told
def demo(
    state: Path | None,
    report: Path | None,
    keep: bool,  # noqa: FBT001 - click's way
    kubeconfig: Path | None,
    context: str | None,
    not_empty: bool,  # noqa: FBT001 - click's way
) -> None:
    """Tell the whole story, each step with its real output.

    A lab that was up before stays up.
    """
    folder = _folder(state)
    wish = _wish(kubeconfig, context, not_empty=not_empty)
    keep = keep or labs.find(folder) is not None

    @contextmanager
    def open_lab() -> Iterator[Lab]:
        try:
            yield labs.up(folder, wish)
        finally:
            if not keep:
                labs.down(folder)

    if not run_demo(open_lab, report):
        raise SystemExit(1)


def _wish(kubeconfig: Path | None, context: str | None, *, not_empty: bool) -> Wish | None:
    """Return what is asked of an existing cluster; None: the lab has its own control plane.

    Raises:
        LabError: a cluster's option is given and no cluster.
    """
    if kubeconfig is not None:
        return Wish(kubeconfig, context, not_empty)
    if context is not None or not_empty:
        raise LabError("--context and --not-empty tell about an existing cluster: add --kubeconfig")
    return None


def _folder(state: Path | None) -> Path:
    return (state or default_state("default")).resolve()
