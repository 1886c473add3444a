"""``schedune explain --at A --diff B``: what is answered otherwise than before, and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import click

from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit, exit_of, tell
from schedune_cli.commands.options import render_as
from schedune_cli.inputs import WORKLOAD, Asked, Inputs, bare_name, read_inputs
from schedune_cli.judging.difference import compare
from schedune_cli.judging.judge import Judge, explain_all
from schedune_cli.problems import unknown_name
from schedune_cli.telling.difference_text import render_difference

_FORMS = ("text", "json", "yaml")


def explain_difference(
    asked: Asked, names: Sequence[str], at: str | None, diff: str | None, output: str
) -> NoReturn:
    """Compare two recordings, tell, and end as an explanation of the later one would."""
    if at is None or diff is None:
        raise click.UsageError("--at and --diff belong together: the earlier and the later file")
    if asked.truth or asked.now:
        raise click.UsageError("--at and --diff take the place of --truth and --now")
    if output not in _FORMS:
        raise click.UsageError(f"--diff is told as {', '.join(_FORMS)}")
    then, now = _read(asked, at), _read(asked, diff)
    _select(names, then, now)
    problems = [*then.problems, *now.problems]
    tell(problems, now.notes if asked.files else ())
    told = compare(then, now, now.policy)
    click.echo(render_as(output, told, render_difference), nl=False)
    judge = Judge(now.world, now=now.now, policy=now.policy)
    later = explain_all(judge, now.workloads, problems, together=False)
    raise SystemExit(Exit(exit_of(later)))


def _read(asked: Asked, file: str) -> Inputs:
    return read_inputs(replace(asked, truth=(file,)), read_clock)


def _select(names: Sequence[str], *sides: Inputs) -> None:
    """Keep the workloads that were named; one may be in one of the two only."""
    wanted = {bare_name(name) for name in names}
    known = sorted({one.intent.name for side in sides for one in side.workloads})
    for name in sorted(wanted.difference(known)):
        sides[-1].problems.append(unknown_name("WORKLOAD", WORKLOAD, name, known))
    for side in sides:
        if wanted:
            side.workloads = [one for one in side.workloads if one.intent.name in wanted]
