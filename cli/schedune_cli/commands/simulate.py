"""``schedune simulate``: a recorded fleet, changed in thought."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import click

from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, tell
from schedune_cli.commands.options import form_option, input_options, render_as
from schedune_cli.inputs import Asked, Inputs, read_inputs
from schedune_cli.judging.simulation import Plan, Simulation
from schedune_cli.judging.simulation import simulate as run
from schedune_cli.problems import BadInputError, unknown_name
from schedune_cli.reading.documents import read_objects
from schedune_cli.reading.sources import read_sources, standard_input
from schedune_cli.recording.recording import read_recording
from schedune_cli.recording.world import read_world
from schedune_cli.telling.simulation_text import render_simulation

EXAMPLES: Final = """\b
Examples:
  schedune simulate --truth snapshot.yaml --drain arm-01
  schedune simulate --truth snapshot.yaml --add new-node.yaml -f deploy/
  schedune simulate --cordon edge-01 --remove x86-02"""


@click.command(epilog=EXAMPLES)
@input_options
@click.option("--cordon", multiple=True, metavar="NODE", help="Let no new VM come to it.")
@click.option("--drain", multiple=True, metavar="NODE", help="Find its VMs another node.")
@click.option("--remove", multiple=True, metavar="NODE", help="Do as if it were gone.")
@click.option(
    "--add", multiple=True, metavar="FILE",
    help="NodeTruths of nodes to come; one of a known name replaces that node.",
)  # fmt: skip
@form_option
def simulate(
    asked: Asked,
    *,
    cordon: tuple[str, ...],
    drain: tuple[str, ...],
    remove: tuple[str, ...],
    add: tuple[str, ...],
    output: str,
) -> None:
    """Tell what would become of VMs if the fleet, or what runs on it, were changed.

    The VMs of drained and removed nodes are placed anew one after another, by namespace
    and name, then what -f applies and what waits for a node. Who finds none is told the
    nearest node and the smallest change. A VM whose node can still run it stays.

    Exit status: 0 nothing strands and what is applied has a node, 1 something does not,
    2 bad input.
    """
    inputs = read_inputs(asked if asked.files else replace(asked, all_namespaces=True), read_clock)
    plan = Plan(cordon, drain, remove, applied=inputs.workloads if asked.files else [])
    _add(add, plan, inputs)
    _check_names(inputs, plan)
    tell(inputs.problems, inputs.notes if asked.files else ())
    told = run(inputs.world, plan, now=inputs.now, policy=inputs.policy)
    click.echo(render_as(output, told, render_simulation), nl=False)
    raise SystemExit(_exit(inputs, told))


def _add(paths: Sequence[str], plan: Plan, inputs: Inputs) -> None:
    """Read nodes to come; their facts are taken as proved when the fleet was recorded."""
    if not paths:
        return
    sources, problems = read_sources(paths, standard_input())
    objects = read_objects(sources)
    recording, more = read_recording(objects)
    added = read_world(recording)
    inputs.problems += [*problems, *objects.problems, *more, *added.problems]
    plan.added = {
        name: replace(record, last_proof=inputs.now) for name, record in added.records.items()
    }


def _check_names(inputs: Inputs, plan: Plan) -> None:
    known = sorted({*inputs.world.records, *plan.added})
    left = [name for name in known if name not in plan.remove]
    asked = (
        ("cordon", plan.cordon, left),
        ("drain", plan.drain, left),
        ("remove", plan.remove, known),
    )
    problems = [
        unknown_name(f"--{option}", "node", name, choice)
        for option, names, choice in asked
        for name in names
        if name not in choice
    ]
    if problems:
        raise BadInputError([*inputs.problems, *problems])


def _exit(inputs: Inputs, told: Simulation) -> Exit:
    if inputs.problems:
        return Exit.BAD_INPUT
    return Exit.ALL_WELL if told.is_harmless else Exit.SOME_HAVE_NONE
