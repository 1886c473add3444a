"""``schedune`` and ``kubectl schedune``: commands found through an entry-point group."""

import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Final

import click

from schedune_cli.guard import GuardedGroup

COMMANDS: Final = "schedune.commands"


@click.group(cls=GuardedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("schedune"), prog_name="schedune")
@click.option("--debug", is_flag=True, help="Show where an internal error came from.")
def schedune(*, debug: bool) -> None:
    """Tell which machine can safely run a VM, prove why, and launch it there."""


def main() -> None:
    """Run the command line under the name it was called by."""
    schedune.found = {one.name: one for one in entry_points(group=COMMANDS)}
    called = Path(sys.argv[0]).name
    schedune(prog_name="kubectl schedune" if called.startswith("kubectl") else called)
