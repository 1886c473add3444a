"""``schedune`` and ``kubectl schedune``: commands found through an entry-point group."""

import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Final

import click

COMMANDS: Final = "schedune.commands"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("schedune"), prog_name="schedune")
def schedune() -> None:
    """Tell which machine can safely run a VM, prove why, and launch it there."""


def main() -> None:
    """Run the command line under the name it was called by."""
    for found in sorted(entry_points(group=COMMANDS), key=lambda one: one.name):
        schedune.add_command(found.load(), found.name)
    called = Path(sys.argv[0]).name
    schedune(prog_name="kubectl schedune" if called.startswith("kubectl") else called)
