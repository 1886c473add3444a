"""``schedune drain NODE``: what it would do, and do it."""

from typing import Final

import click

from schedune.api.nodetruth import Scheduling
from schedune.telling.page import printable
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import fleet_options, form_option, render_as
from schedune_cli.inputs import Asked, moment_of, read_world_of
from schedune_cli.judging.drain import DrainReport, plan_drain
from schedune_cli.problems import BadInputError, unknown_name
from schedune_cli.reading.policy import read_policy
from schedune_cli.recording.world import read_world
from schedune_cli.telling.drain_text import progress_line, render_drain

EXAMPLES: Final = """\b
Examples:
  schedune drain arm-01 --dry-run
  schedune drain arm-01 --dry-run --truth snapshot.yaml
  schedune drain arm-01
  schedune drain arm-01 --cancel"""


@click.command(epilog=EXAMPLES)
@click.argument("node")
@fleet_options
@click.option("--dry-run", is_flag=True, help="Only tell what would become of every VM.")
@click.option("--cancel", is_flag=True, help="Take it back: what has not left yet stays.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer.")
@form_option
def drain(
    asked: Asked,
    *,
    node: str,
    dry_run: bool,
    cancel: bool,
    timeout: float | None,
    output: str,
) -> None:
    """Let every VM leave NODE, each for a node that is held for it; tell who cannot, and why.

    This sets spec.scheduling of its NodeTruth to Draining, and the operator does the rest: a
    few VMs at a time are ended in order and placed anew. One that no other node can run stays
    and runs on; it leaves as soon as another node can. The node stays closed until
    `--cancel`. With --dry-run nothing is done; with --truth that needs no cluster.

    Exit status: 0 no VM is left (or, with --dry-run, none would be), 1 some VM stays,
    2 bad input, or (with --dry-run) one that may be there cannot be read.
    """
    if dry_run and cancel:
        raise click.UsageError("--dry-run and --cancel exclude each other")
    if dry_run:
        told, is_whole = _plan(asked, node)
        _finish(told, output, is_whole=is_whole)
    if not asked.is_online:
        raise click.UsageError("a recorded fleet is only asked: give --dry-run with --truth")
    if cancel:
        _cancel(asked, node)
    else:
        _finish(_carry_out(asked, node, timeout), output)


def _finish(told: DrainReport, output: str, *, is_whole: bool = True) -> None:
    click.echo(render_as(output, told, render_drain), nl=False)
    if not is_whole:
        raise SystemExit(Exit.BAD_INPUT)
    raise SystemExit(Exit.ALL_WELL if told.leaves_nobody else Exit.SOME_HAVE_NONE)


def _plan(asked: Asked, node: str) -> tuple[DrainReport, bool]:
    """Return what would become of all, and whether all that may be on the node could be read."""
    policy = read_policy(asked.policy)
    recording, unread = read_world_of(asked, read_clock)
    world = read_world(recording)
    problems = [*unread, *world.problems]
    if node not in world.records:
        raise BadInputError([*problems, unknown_name("NODE", "node", node, sorted(world.records))])
    tell(problems)
    now = moment_of(asked, world, problems)
    is_whole = not unread and not {node, ""} & set(world.unread_placements.values())
    return plan_drain(world, node, now=now, policy=policy), is_whole


def _cancel(asked: Asked, node: str) -> None:
    # Loaded here: it takes half of the time of a call that needs none of it.
    from schedune_cli.recording.cluster import ask_cluster
    from schedune_cli.recording.drain import RIGHT, schedule

    ask_cluster(
        asked.kubeconfig,
        asked.context,
        lambda client: schedule(client, node, Scheduling.ENABLED),
        RIGHT,
    )
    click.echo(f"{node} takes VMs again; what had not left it stays", err=True)


def _carry_out(asked: Asked, node: str, timeout: float | None) -> DrainReport:
    from schedune_cli.recording.cluster import ask_cluster
    from schedune_cli.recording.drain import RIGHT, Drain

    told: dict[tuple[str, str], str] = {}

    def show(report: DrainReport) -> None:
        for one in report.vms:
            line = progress_line(one)
            if told.get((one.namespace, one.name)) != line:
                told[one.namespace, one.name] = line
                click.echo(line, err=True)

    def warn(text: str) -> None:
        click.echo(f"note: {printable(text)}", err=True)

    action = Drain(node, read_clock, show, warn, timeout)
    return ask_cluster(asked.kubeconfig, asked.context, action.run, RIGHT)
