"""The command: this machine by its own probes; a node from afar by ``schedune truth``."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from schedune.api.choices import Acceleration, Backend
from schedune.examination.examine import Wanted, examine
from schedune.examination.form import Answer, NodeExamination
from schedune.examination.text import render_examination
from schedune.telling.page import Page
from schedune_agent.doctor.machine import settings_of, sight_machine
from schedune_agent.settings import AgentSettings, read_settings
from schedune_kube.settings import SettingsError

Render = Callable[[str, NodeExamination, Callable[[NodeExamination, Page], str]], str]
"""How the command line shows a document: it knows the terminal, we do not."""
_BAD_INPUT: Final = 2
_FROM_AFAR: Final = ("truth", "show")
"""The command that reads clusters and recordings."""
EXAMPLES: Final = """\b
Examples:
  schedune doctor
  schedune doctor --acceleration Emulated
  schedune doctor --image-root /srv/images --run-directory /run/vms
  schedune doctor --settings /etc/schedune/agent.yaml -o json
  schedune doctor arm-01
  schedune doctor arm-01 --truth snapshot.yaml"""
_FOLDER: Final = click.Path(path_type=Path)
_OF_A_NODE: Final = (
    click.option("--truth", multiple=True, metavar="FILE",
                 help="Look at NODE in this recording: NodeTruths or a snapshot."),
    click.option("--now", metavar="TIME", help="With --truth: judge as of this time."),
    click.option("--policy", metavar="FILE", help="Scheduling policy. Unset: the defaults."),
    click.option("--kubeconfig", metavar="FILE", help="Look at NODE in this cluster."),
    click.option("--context", metavar="NAME", help="Which context of the kubeconfig."),
)  # fmt: skip
_NODE_PLACES: Final = ("truth", "now", "policy", "kubeconfig", "context")
_OF_THIS_MACHINE: Final = (
    click.option("--image-root", "image_roots", multiple=True, type=_FOLDER, metavar="FOLDER",
                 help="Where artefacts are. May be repeated. Unset: the agent's default."),
    click.option("--run-directory", type=_FOLDER, metavar="FOLDER",
                 help="Where control sockets are. Unset: the agent's default."),
    click.option("--state-directory", type=_FOLDER, metavar="FOLDER",
                 help="Where launch records are. Unset: the agent's default."),
    click.option("--settings", type=_FOLDER, metavar="FILE",
                 help="Settings file of the agent of this machine, instead of these three."),
)  # fmt: skip


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)  # noqa: TID251 - the entry point's own reading


def _with(options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(epilog=EXAMPLES)
@click.argument("node", required=False)
@click.option(
    "--acceleration", type=click.Choice([one.value for one in Acceleration]),
    default=Acceleration.KVM.value, show_default=True, help="How VMs are to be launched.",
)  # fmt: skip
@click.option(
    "--backend", "backends", multiple=True, type=click.Choice([one.value for one in Backend]),
    help="By one of these. May be repeated. Unset: those that the policy uses.",
)  # fmt: skip
@_with(_OF_THIS_MACHINE)
@_with(_OF_A_NODE)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text",
    show_default=True, help="Form of the answer.",
)  # fmt: skip
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    *,
    node: str | None,
    acceleration: str,
    backends: tuple[str, ...],
    output: str,
    **places: Any,
) -> None:
    """Tell whether VMs can be launched here, what is missing, and what to do about it.

    Runs every probe of the agent once on this machine, and prints what each saw, how, and
    how long it took. It needs no cluster and no token and changes nothing; without root it
    sees what its user may see. With NODE, or --truth, a node is looked at from afar: what
    its agent published, and whether somebody still vouches for it.

    Exit status: 0 a VM can be launched as asked (under KVM, unless --acceleration says
    otherwise), 1 something stands against it, 2 bad input, 3 (from afar) the facts are too
    old to answer.
    """
    of_node = {name: places[name] for name in _NODE_PLACES}
    of_machine = {name: one for name, one in places.items() if name not in of_node}
    if node is not None or any(of_node.values()):
        _refuse_both(ctx, of_machine)
        asked = _arguments(node, acceleration, backends, output, of_node)
        _look_from_afar(ctx, asked)
    settings = _settings(**of_machine)
    sighting = asyncio.run(sight_machine(settings, clock))
    wanted = Wanted(Acceleration(acceleration), tuple(Backend(one) for one in backends))
    told = examine(sighting, wanted)
    render: Render = ctx.obj
    click.echo(render(output, told, render_examination), nl=False)
    raise SystemExit(0 if told.verdict.answer is Answer.CAN_LAUNCH else 1)


def _refuse_both(ctx: click.Context, of_machine: dict[str, Any]) -> None:
    given = [one.opts[0] for one in ctx.command.params if of_machine.get(one.name or "")]
    if given:
        told = " and ".join(given)
        raise click.UsageError(f"{told}: said of this machine, not of a node seen from afar")


def _settings(
    *,
    image_roots: tuple[Path, ...],
    run_directory: Path | None,
    state_directory: Path | None,
    settings: Path | None,
) -> AgentSettings:
    if settings is None:
        return settings_of(image_roots, run_directory, state_directory)
    if image_roots or run_directory or state_directory:
        raise click.UsageError("--settings takes the place of the other options of this machine")
    try:
        return read_settings(settings)
    except SettingsError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(_BAD_INPUT) from error


def _arguments(
    node: str | None,
    acceleration: str,
    backends: Sequence[str],
    output: str,
    of_node: dict[str, Any],
) -> list[str]:
    """Say the same to the command that reads clusters."""
    asked = ["--verdict", "--acceleration", acceleration, "-o", output]
    asked += [word for one in backends for word in ("--backend", one)]
    asked += [word for one in of_node.pop("truth") for word in ("--truth", one)]
    for name, value in of_node.items():
        asked += [f"--{name}", value] if value is not None else []
    return [*asked, "--", *([] if node is None else [node])]


def _look_from_afar(ctx: click.Context, arguments: list[str]) -> NoReturn:
    """Hand over to the command line's own command, found as every command is: by its name."""
    parent = ctx.find_root()
    command = parent.command
    for name in _FROM_AFAR:
        found = command.get_command(parent, name) if isinstance(command, click.Group) else None
        if found is None:
            raise click.ClickException(f"there is no command {' '.join(_FROM_AFAR)}")
        command = found
    with command.make_context(ctx.info_name, arguments, parent=ctx.parent) as own:
        command.invoke(own)
    raise SystemExit(0)
