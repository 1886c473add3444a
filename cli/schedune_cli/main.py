"""``schedune`` and ``kubectl schedune``: commands found through an entry-point group."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from schedune.api.base import ApiModel
from schedune.telling.page import Page
from schedune_cli.guard import GuardedGroup

A = TypeVar("A", bound=ApiModel)

COMMANDS: Final = "schedune.commands"


def _render(output: str, told: A, render_text: Callable[[A, Page], str]) -> str:
    """Show a document as our own commands do; what that takes is loaded when it is asked for."""
    from schedune_cli.commands.options import render_as

    return render_as(output, told, render_text)


_SETTINGS: Final[dict[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    # Commands that live with another process find here how a document is shown.
    "obj": _render,
}


@click.group(cls=GuardedGroup, context_settings=_SETTINGS)
@click.version_option(version("schedune"), prog_name="schedune")
@click.option("--debug", is_flag=True, help="Show where an internal error came from.")
def schedune(*, debug: bool) -> None:
    """Tell which machine can safely run a VM, prove why, and launch it there."""


def main() -> None:
    """Run the command line under the name it was called by."""
    schedune.found = {one.name: one for one in entry_points(group=COMMANDS)}
    called = Path(sys.argv[0]).name
    schedune(prog_name="kubectl schedune" if called.startswith("kubectl") else called)
