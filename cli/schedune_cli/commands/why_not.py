"""``schedune why-not``: everything that stands against one node."""

from typing import Final

import click

from schedune.explaining.explain import AGE_ATOMS
from schedune.explaining.form import NodeAnswer, WhyNot
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import form_option, input_options, render_as
from schedune_cli.inputs import Asked, Inputs, read_inputs
from schedune_cli.judging.judge import Judge
from schedune_cli.judging.why_not import why_not as ask
from schedune_cli.problems import BadInputError, Place, Problem, unknown_name
from schedune_cli.reading.workloads import Given
from schedune_cli.telling.why_not_text import render_why_not

EXAMPLES: Final = """\b
Examples:
  schedune why-not payments arm-02 -f deploy/ --truth fleet/
  schedune why-not vmw/payments arm-02 -n shop
  schedune why-not vmw/payments arm-02 -n shop -o json"""


@click.command("why-not", epilog=EXAMPLES)
@click.argument("workload")
@click.argument("node")
@input_options
@form_option
def why_not(asked: Asked, *, workload: str, node: str, output: str) -> None:
    """Tell everything that stands against running WORKLOAD on NODE.

    For every backend that the workload accepts: what was observed, what is needed, what
    would have to change, and what merely follows from it.

    Exit status: 0 the node can run it, 1 it cannot, 2 bad input, 3 the node's facts are
    too old to answer.
    """
    inputs = read_inputs(asked, read_clock, [workload])
    tell(inputs.problems, inputs.notes)
    given = _only(inputs, workload)
    _known(inputs, node)
    judge = Judge(inputs.world, now=inputs.now, policy=inputs.policy)
    told = judge.look(given, lambda found: ask(given, found, node))
    click.echo(render_as(output, told, render_why_not), nl=False)
    raise SystemExit(Exit.BAD_INPUT if inputs.problems else _exit(told))


def _only(inputs: Inputs, name: str) -> Given:
    """Return the one workload of that name; it may stand in several namespaces."""
    if len(inputs.workloads) > 1:
        spaces = ", ".join(one.intent.namespace for one in inputs.workloads)
        told = f"{name} is in several namespaces: {spaces}"
        problem = Problem(Place("WORKLOAD"), "", "", told, "say which with -n")
        raise BadInputError([problem])
    if not inputs.workloads:
        raise SystemExit(Exit.BAD_INPUT)
    return inputs.workloads[0]


def _known(inputs: Inputs, node: str) -> None:
    known = sorted(inputs.world.records)
    if node not in known:
        raise BadInputError([unknown_name("NODE", "node", node, known)])


def _exit(told: WhyNot) -> Exit:
    if told.refusals:
        return Exit.SOME_HAVE_NONE
    if told.verdict is not NodeAnswer.REJECTED:
        return Exit.ALL_WELL
    own = all(one.verdict == "CannotLaunch" for one in told.backends)
    aged = bool(told.objections) and all(one.demand in AGE_ATOMS for one in told.objections)
    return Exit.TRUTH_TOO_OLD if aged and not own else Exit.SOME_HAVE_NONE
