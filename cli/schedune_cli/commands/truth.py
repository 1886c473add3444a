"""``schedune truth NODE``: every fact of one node. ``schedune truth diff``: what changed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import click

from schedune.api.choices import Acceleration, Backend
from schedune.examination.difference_form import Moment, compare_truths
from schedune.examination.difference_text import render_truth_difference
from schedune.examination.examine import Wanted, examine
from schedune.examination.form import Answer, NodeExamination, Seen
from schedune.examination.text import render_examination
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import (
    cluster_options,
    fleet_options,
    form_option,
    render_as,
)
from schedune_cli.inputs import Asked, moment_of, read_world_of
from schedune_cli.problems import BadInputError, Place, Problem, unknown_name
from schedune_cli.reading.policy import read_policy
from schedune_cli.recording.recording import Recording
from schedune_cli.recording.sighting import sight
from schedune_cli.recording.world import World, read_world

_SHOW: Final = "show"
_OF_OWN: Final = ("-h", "--help")
_EXITS: Final = {
    Answer.CAN_LAUNCH: Exit.ALL_WELL,
    Answer.CANNOT_LAUNCH: Exit.SOME_HAVE_NONE,
    Answer.TOO_OLD: Exit.TRUTH_TOO_OLD,
}
EXAMPLES: Final = """\b
Examples:
  schedune truth arm-01
  schedune truth arm-01 --truth snapshot.yaml -o json
  schedune truth diff monday.yaml tuesday.yaml
  schedune truth diff monday.yaml --node arm-01     (against the cluster)"""


class _ShowsByDefault(click.Group):
    """``truth NODE`` is ``truth show NODE``; a node called diff is asked for by the latter."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the usual command before what is no command."""
        if not args or args[0] not in (*self.commands, *_OF_OWN):
            args = [_SHOW, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_ShowsByDefault, epilog=EXAMPLES, subcommand_metavar="[show] NODE | diff OLD [NEW]"
)
def truth() -> None:
    """Show every fact of a node, or what differs between two recordings.

    `schedune truth NODE` is short for `schedune truth show NODE`.
    """


@truth.command(_SHOW, epilog=EXAMPLES)
@click.argument("node", required=False)
@fleet_options
@click.option(
    "--acceleration", type=click.Choice([one.value for one in Acceleration]),
    default=Acceleration.KVM.value, show_default=True, help="How VMs are to be launched.",
)  # fmt: skip
@click.option(
    "--backend", "backends", multiple=True, type=click.Choice([one.value for one in Backend]),
    help="By one of these. May be repeated. Unset: those that the policy uses.",
)  # fmt: skip
@click.option("--verdict", is_flag=True, help="End as schedune doctor does: by the verdict.")
@form_option
def show(
    asked: Asked,
    *,
    node: str | None,
    acceleration: str,
    backends: tuple[str, ...],
    verdict: bool,
    output: str,
) -> None:
    """Show what is known of NODE: problems and remedies, capabilities, every fact with its age.

    From the cluster, or with --truth from a recording; there NODE may be left out where
    there is one only. How fresh the facts are is told first.

    Exit status: 0, or 2 for bad input. With --verdict 0 a VM can be launched there as asked,
    1 something stands against it, 2 bad input, 3 the facts are too old to answer.
    """
    wanted = Wanted(Acceleration(acceleration), tuple(Backend(one) for one in backends))
    told, problems = _examine(asked, node, wanted)
    tell(problems)
    click.echo(render_as(output, told, render_examination), nl=False)
    if problems:
        raise SystemExit(Exit.BAD_INPUT)
    raise SystemExit(_EXITS[told.verdict.answer] if verdict else Exit.ALL_WELL)


def _examine(
    asked: Asked, node: str | None, wanted: Wanted
) -> tuple[NodeExamination, list[Problem]]:
    policy = read_policy(asked.policy)
    recording, problems = _read(asked, node)
    world = read_world(recording)
    name = _only(asked, node, world, [*problems, *world.problems])
    if not asked.is_online:
        problems = [*problems, *world.problems]
    seen = Seen.CLUSTER if asked.is_online else Seen.RECORDING
    now = moment_of(asked, world, problems)
    return examine(sight(name, recording, world, seen=seen, now=now), wanted, policy), problems


def _read(asked: Asked, node: str | None) -> tuple[Recording, list[Problem]]:
    if not asked.is_online:
        return read_world_of(asked, read_clock)
    if node is None:
        raise click.UsageError("say which NODE; schedune nodes names them")
    # Loaded here: it takes half of the time of a call that needs none of it.
    from schedune_cli.recording.cluster import read_node

    return read_node(asked.kubeconfig, asked.context, node, read_clock()), []


def _only(asked: Asked, node: str | None, world: World, problems: Sequence[Problem]) -> str:
    """Return the node that is meant; one that cannot be read is not there."""
    known = sorted(world.records)
    if node is None and len(known) == 1:
        return known[0]
    if node in known:
        return node
    if node is None:
        told, remedy = f"holds {len(known)} nodes", "say which NODE"
        raise BadInputError([*problems, Problem(Place("--truth"), "", "", told, remedy)])
    unknown = unknown_name("NODE", "node", node, known)
    if asked.is_online:
        unknown = replace(unknown, remedy="schedune nodes names those that there are")
    raise BadInputError([*problems, unknown])


@truth.command("diff", epilog=EXAMPLES)
@click.argument("old")
@click.argument("new", required=False)
@click.option("--node", "names", multiple=True, metavar="NODE", help="Only this node. May repeat.")
@cluster_options
@form_option
def diff(asked: Asked, *, old: str, new: str | None, names: tuple[str, ...], output: str) -> None:
    """Tell which facts differ between OLD and NEW, those that verdicts hang on first.

    Each is a snapshot, or a file or folder of NodeTruths; without NEW, OLD is compared with
    the cluster as it is. Times, durations and what only repeats other facts are counted,
    not told, and are no difference. Whether facts could still be believed is compared between
    snapshots, which say when they were taken.

    Exit status: 0 no difference, 1 some facts differ, 2 bad input.
    """
    then, problems = _moment(Asked(truth=(old,)))
    now, more = _moment(asked if new is None else Asked(truth=(new,)))
    problems += [one for one in more if one not in problems]
    known = sorted({*then.records, *now.records})
    unknown = [unknown_name("--node", "node", one, known) for one in names if one not in known]
    if unknown:
        raise BadInputError([*problems, *unknown])
    told = compare_truths(then, now, names)
    tell(problems)
    click.echo(render_as(output, told, render_truth_difference), nl=False)
    if problems:
        raise SystemExit(Exit.BAD_INPUT)
    raise SystemExit(Exit.SOME_HAVE_NONE if told.differs else Exit.ALL_WELL)


def _moment(asked: Asked) -> tuple[Moment, list[Problem]]:
    recording, problems = read_world_of(asked, read_clock)
    world = read_world(recording)
    if not asked.is_online:
        problems = [*problems, *world.problems]
    if not world.records and problems:
        raise BadInputError(problems)
    return Moment(world.records, recording.recorded), problems
