"""Options that several commands share, and where they write."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from schedune.api.base import ApiModel
from schedune.telling.page import Page, Tone, unpainted
from schedune_cli.inputs import Asked
from schedune_cli.problems import BadInputError, Place, Problem
from schedune_cli.reading.sources import STREAM, STREAM_NAME
from schedune_cli.recording.recording import read_moment
from schedune_cli.telling.documents import render_json, render_yaml

A = TypeVar("A", bound=ApiModel)
_COLOURS: Final[Mapping[Tone, dict[str, Any]]] = {
    Tone.GOOD: {"fg": "green"},
    Tone.BAD: {"fg": "red"},
    Tone.DOUBTFUL: {"fg": "yellow"},
    Tone.TITLE: {"bold": True},
    Tone.PLAIN: {},
}
_MANIFESTS: Final = (
    click.option(
        "-f", "--filename", "files", multiple=True, metavar="FILE",
        help="Manifests to judge: a file, a folder, or - for standard input. May be repeated.",
    ),
)  # fmt: skip
_FLEET: Final = (
    click.option(
        "--truth", multiple=True, metavar="FILE",
        help="Recorded fleet to ask about: NodeTruths or a snapshot. Unset: the cluster.",
    ),
    click.option(
        "--now", metavar="TIME", callback=lambda _, __, text: _moment(text),
        help="Judge as of this time (2026-11-24T09:00:00Z). Unset: when the fleet was recorded.",
    ),
    click.option(
        "--policy", type=click.Path(path_type=Path), metavar="FILE",
        help="Scheduling policy, alone or in the operator's settings. Unset: the defaults.",
    ),
)  # fmt: skip
_CLUSTER: Final = (
    click.option(
        "--kubeconfig", type=click.Path(path_type=Path), metavar="FILE", envvar="KUBECONFIG",
        help="Which kubeconfig. Unset: $KUBECONFIG, or ~/.kube/config.",
    ),
    click.option("--context", metavar="NAME", help="Which context of the kubeconfig."),
)  # fmt: skip
_NAMESPACES: Final = (
    click.option(
        "-n", "--namespace", metavar="NAME",
        help="Namespace of the workloads, and of manifests that name none.",
    ),
    click.option("-A", "--all-namespaces", is_flag=True, help="Workloads of all namespaces."),
)  # fmt: skip
_FILES: Final = ("files", "truth", "policy", "add", "at", "diff", "old", "new")
"""What names a file to read, or - for standard input, in any of the commands."""
_Command = Callable[..., None]


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = read_moment(text)
    if moment is None:
        told = f"'{text}' is no time with a zone; write it like 2026-11-24T09:00:00Z"
        raise click.BadParameter(told)
    return moment


def input_options(command: _Command) -> _Command:
    """Give a command the options of those that judge workloads, handed over as one value."""
    return _asking(command, (*_MANIFESTS, *_FLEET, *_CLUSTER, *_NAMESPACES))


def fleet_options(command: _Command) -> _Command:
    """Give a command the options of those that look at nodes, handed over as one value."""
    return _asking(command, (*_FLEET, *_CLUSTER))


def cluster_options(command: _Command) -> _Command:
    """Give a command the options that say which cluster, handed over as one value."""
    return _asking(command, _CLUSTER)


def _asking(command: _Command, options: Sequence[Callable[[_Command], _Command]]) -> _Command:
    @wraps(command)
    def asked(**values: Any) -> None:
        _check_stream(values)
        names = [name for name in Asked.__dataclass_fields__ if name in values]
        command(Asked(**{name: values.pop(name) for name in names}), **values)

    wrapped: _Command = asked
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _check_stream(values: Mapping[str, Any]) -> None:
    """Refuse to read standard input twice: after the first time there is nothing left of it.

    Raises:
        BadInputError: it is given in two places.
    """
    given = [name for name in _FILES if STREAM in _paths(values.get(name))]
    if len(given) > 1:
        params = click.get_current_context().command.params
        told = " and ".join(_spoken(one) for one in params if one.name in given)
        message = f"is given as {told}, and can be read once"
        remedy = "give files in place of all but one -"
        raise BadInputError([Problem(Place(STREAM_NAME), "", "", message, remedy)])


def _paths(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)


def _spoken(param: click.Parameter) -> str:
    return param.opts[-1] if isinstance(param, click.Option) else param.opts[0].upper()


form_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text",
    show_default=True, help="Form of the answer.",
)  # fmt: skip


def render_as(output: str, told: A, render_text: Callable[[A, Page], str]) -> str:
    """Return a document in the form that was asked for."""
    match output:
        case "json":
            return render_json(told)
        case "yaml":
            return render_yaml(told)
        case _:
            return render_text(told, page_here())


def page_here() -> Page:
    """Return how wide standard output is, and whether it shows colours.

    A log is never wrapped: whoever reads it searches it.
    """
    # Without standard output (>&-) there is no stream, and nothing that is as wide as anything.
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    if not is_terminal:
        return Page()
    width = shutil.get_terminal_size().columns
    return Page(width, unpainted if os.environ.get("NO_COLOR") else _painted)


def _painted(text: str, tone: Tone) -> str:
    return click.style(text, **_COLOURS[tone]) if _COLOURS[tone] else text
