"""``schedune uninstall --check``: what still runs or claims, and in which order all of it goes."""

from typing import Final

import click

from schedune.api.vmplacement import VMPlacement
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import fleet_options, form_option, render_as
from schedune_cli.inputs import Asked, moment_of, read_world_of
from schedune_cli.judging.uninstall import Unread, check_uninstall
from schedune_cli.reading.validation import validate
from schedune_cli.recording.world import read_world
from schedune_cli.telling.uninstall_text import render_uninstall

EXAMPLES: Final = """\b
Examples:
  schedune uninstall --check
  schedune uninstall --check -o json"""


@click.command(epilog=EXAMPLES)
@fleet_options
@form_option
@click.option("--check", is_flag=True, help="Look, and change nothing; must be said.")
def uninstall(asked: Asked, *, output: str, check: bool) -> None:
    """Say whether Schedune can be removed from a cluster, and if not, what comes first.

    VMs outlive their agents. Whoever removes these, or the definitions, while a VM runs has a
    VM that nobody ends. Removing is kubectl's, in the order shown here; this command only looks.

    Exit status: 0 it can be removed, 1 something stands in the way, 2 something cannot be
    read, so that nobody knows.
    """
    if not check:
        raise click.UsageError("say --check: this command looks, and removing is kubectl's")
    recording, problems = read_world_of(asked, read_clock)
    world = read_world(recording)
    found = {key: validate(VMPlacement, item) for key, item in recording.placements.items()}
    placements = [one for one in found.values() if isinstance(one, VMPlacement)]
    wrong = {*problems, *world.problems}
    tell(wrong)
    now = moment_of(asked, world, problems)
    unread = Unread(
        nodes=world.unread_nodes,
        placements=sorted(key for key, one in found.items() if not isinstance(one, VMPlacement)),
        count=len(wrong),
    )
    records = list(world.records.values())
    told = check_uninstall(sorted(recording.workloads), placements, records, now, unread)
    click.echo(render_as(output, told, render_uninstall), nl=False)
    if wrong:
        raise SystemExit(Exit.BAD_INPUT)
    raise SystemExit(Exit.ALL_WELL if told.is_clear else Exit.SOME_HAVE_NONE)
