"""``schedune nodes``: the fleet at a glance."""

from dataclasses import replace
from typing import Final

import click

from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.decision.unblocking import rank_repairs
from schedune.explaining.glance import FleetGlance, glance
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import form_option, input_options, render_as
from schedune_cli.inputs import Asked, Inputs, read_inputs
from schedune_cli.telling.glance_text import render_glance

EXAMPLES: Final = """\b
Examples:
  schedune nodes
  schedune nodes --truth fleet/ -f deploy/
  schedune nodes --truth snapshot.yaml -o json"""


@click.command(epilog=EXAMPLES)
@input_options
@form_option
def nodes(asked: Asked, *, output: str) -> None:
    """Show every node: architecture, KVM, class, age of its facts, room, backends, state.

    Below it: which single repair of nodes would help most, over the workloads of -f, or
    over those of the cluster or the snapshot, as far as they want a node and have none.

    Exit status: 0, or 2 for bad input.
    """
    everywhere = asked.all_namespaces or asked.namespace is None
    inputs = read_inputs(replace(asked, all_namespaces=everywhere), read_clock)
    tell(inputs.problems, inputs.notes if asked.files else ())
    click.echo(render_as(output, _glance(inputs), render_glance), nl=False)
    raise SystemExit(Exit.BAD_INPUT if inputs.problems else Exit.ALL_WELL)


def _glance(inputs: Inputs) -> FleetGlance:
    """Count repairs over what waits for a node: what has one, or needs none, does not."""
    fleet, now, policy = inputs.world.fleet(), inputs.now, inputs.policy
    waiting = [one for one in inputs.workloads if inputs.world.waits(one)]
    decisions = [decide(fleet, one.intent, now=now, policy=policy) for one in waiting]
    repairs = rank_repairs(Explanation(one) for one in decisions)
    return glance(fleet, repairs, len(waiting), now=now, policy=policy)
