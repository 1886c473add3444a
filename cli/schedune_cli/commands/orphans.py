"""``schedune orphans``: VMMs that no placement accounts for, and the order for each."""

from typing import Final

import click

from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import fleet_options, form_option, render_as
from schedune_cli.inputs import Asked, read_world_of
from schedune_cli.judging.orphans import report_orphans
from schedune_cli.recording.world import read_world
from schedune_cli.telling.orphans_text import render_orphans

EXAMPLES: Final = """\b
Examples:
  schedune orphans
  schedune orphans -o json"""


@click.command(epilog=EXAMPLES)
@fleet_options
@form_option
def orphans(asked: Asked, *, output: str) -> None:
    """Show every VMM process that no placement accounts for, and how to order what to do.

    Nothing is done to any of them without an order of an administrator, which holds for
    exactly the process shown: by pid, start time and boot id. A recording tells of those
    that there were when it was taken.

    Exit status: 0 there are none, 1 there are some, 2 for bad input, or where
    what an agent tells cannot be read.
    """
    recording, problems = read_world_of(asked, read_clock)
    world = read_world(recording)
    tell([*problems, *world.problems])
    truths = [one.truth for one in world.records.values() if one.truth is not None]
    told = report_orphans(truths, world.unread_nodes)
    click.echo(render_as(output, told, render_orphans), nl=False)
    if problems or world.unread_nodes:
        raise SystemExit(Exit.BAD_INPUT)
    raise SystemExit(Exit.SOME_HAVE_NONE if told.orphans else Exit.ALL_WELL)
