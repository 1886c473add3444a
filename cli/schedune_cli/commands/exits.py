"""How a command ends: the same numbers for people and for pipelines."""

from collections.abc import Iterable
from enum import IntEnum

import click

from schedune.explaining.form import ExplanationList, Verdict
from schedune.telling.page import printable
from schedune_cli.problems import Problem


class Exit(IntEnum):
    """Exit statuses."""

    ALL_WELL = 0
    SOME_HAVE_NONE = 1
    BAD_INPUT = 2
    TRUTH_TOO_OLD = 3


def exit_of(told: ExplanationList) -> Exit:
    """Return how a call ends; bad input outranks no node, and that outranks old facts."""
    if told.problems:
        return Exit.BAD_INPUT
    verdicts = {one.verdict for one in told.items}
    if verdicts & {Verdict.NO_ELIGIBLE_NODE, Verdict.REFUSED}:
        return Exit.SOME_HAVE_NONE
    return Exit.TRUTH_TOO_OLD if Verdict.TRUTH_TOO_OLD in verdicts else Exit.ALL_WELL


def tell(problems: Iterable[Problem], notes: Iterable[str] = ()) -> None:
    """Say on standard error what is wrong with the input, and what was passed over."""
    for note in notes:
        click.echo(f"note: {printable(note)}", err=True)
    for problem in sorted(set(problems)):
        click.echo(f"error: {printable(str(problem))}", err=True)
