"""``schedune explain``: which node can run each workload, and why the others cannot."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Final

import click

from schedune.explaining.form import ExplanationList
from schedune.explaining.text import render_text
from schedune_cli.clock import read_clock
from schedune_cli.commands.difference import explain_difference
from schedune_cli.commands.exits import exit_of, tell
from schedune_cli.commands.options import input_options, page_here
from schedune_cli.inputs import Asked, Inputs, read_inputs
from schedune_cli.judging.judge import Judge, explain_all, problem_form
from schedune_cli.problems import BadInputError
from schedune_cli.telling.documents import render_json, render_yaml
from schedune_cli.telling.github import render_github
from schedune_cli.telling.junit import render_junit
from schedune_cli.telling.sarif import render_sarif

_RENDERERS: Final[Mapping[str, Callable[[ExplanationList], str]]] = {
    "json": render_json,
    "yaml": render_yaml,
    "junit": render_junit,
    "sarif": lambda told: render_sarif(told, version("schedune")),
    "github": render_github,
}
EXAMPLES: Final = """\b
Examples:
  schedune explain -f deploy/ --truth fleet/
  kustomize build . | schedune explain -f - --truth snapshot.yaml -o sarif
  helm template . | schedune explain -f - --truth snapshot.yaml -o junit
  schedune explain vmw/payments -n shop
  schedune explain --at monday.yaml --diff tuesday.yaml"""


@click.command(epilog=EXAMPLES)
@click.argument("workloads", nargs=-1, metavar="[WORKLOAD]...")
@input_options
@click.option(
    "-o", "--output", type=click.Choice(["text", *_RENDERERS]), default="text", show_default=True,
    help="Form of the answer.",
)  # fmt: skip
@click.option("--at", metavar="FILE", help="With --diff: the earlier recording.")
@click.option(
    "--diff", metavar="FILE", help="Tell what is answered otherwise than in --at, and why."
)
@click.option("--all", "every_node", is_flag=True, help="Show every node; else the nearest ones.")
@click.option(
    "--together", is_flag=True,
    help="Place one after another, by namespace and name; each leaves the next less room.",
)  # fmt: skip
def explain(
    asked: Asked,
    *,
    workloads: tuple[str, ...],
    output: str,
    at: str | None,
    diff: str | None,
    every_node: bool,
    together: bool,
) -> None:
    """Tell which node can run each VMWorkload, and why each other node cannot.

    Every question is asked of every node. Without -f the workloads of the cluster, or of
    the snapshot, are judged; WORKLOAD is a name, or vmw/NAME.

    With --at and --diff two recordings are compared: what each node was answered then and
    now, and only the facts that made the difference, found by replaying. The exit status is
    that of the later one.

    Exit status: 0 every workload has a node, 1 some have none, 2 bad input (the rest is
    judged), 3 the facts are too old to answer.
    """
    if at or diff:
        explain_difference(asked, workloads, at, diff, output)
    told = _explain(asked, workloads, together=together, output=output)
    if output == "text":
        text = render_text(told, page_here(), every_node=every_node)
    else:
        text = _RENDERERS[output](told)
    click.echo(text, nl=False)
    raise SystemExit(exit_of(told))


def _roomless(inputs: Inputs) -> Iterator[str]:
    """Say of each that needs no node that it is answered, and reserves nothing."""
    for one in sorted(inputs.workloads, key=lambda one: one.key):
        why = inputs.world.why_no_node(one)
        if why and one.key not in inputs.world.placements:
            yield f"{'/'.join(one.key)} takes no room from the others: {why}"


def _explain(
    asked: Asked, names: tuple[str, ...], *, together: bool, output: str
) -> ExplanationList:
    """Judge what can be judged; reports are written even where nothing can."""
    try:
        inputs = read_inputs(asked, read_clock, names)
    except BadInputError as error:
        tell(error.problems)
        return ExplanationList(problems=[problem_form(one) for one in error.problems])
    notes = [*inputs.notes, *(_roomless(inputs) if together else ())]
    tell([] if output == "github" else inputs.problems, notes)
    judge = Judge(inputs.world, now=inputs.now, policy=inputs.policy)
    return explain_all(judge, inputs.workloads, inputs.problems, together=together)
