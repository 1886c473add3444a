"""What a dry run left: the exact launch, for people to read."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from schedune_lab.demo.world import Object, claim, processes_with, status_of


def show_prepared(placement: Object | None) -> Mapping[str, Any]:
    """Print the prepared launch of a placement, prove that nothing runs, and return it.

    Raises:
        StepError: no launch is prepared, or something runs for it.
    """
    prepared: Mapping[str, Any] = status_of(placement).get("prepared", {})
    argv, requests = prepared.get("argv", []), prepared.get("requests", [])
    claim(argv, "no prepared launch is shown")
    where = (placement or {}).get("spec", {}).get("nodeName")
    click.echo(f"What {where} would run, by {prepared.get('binary')}:\n")
    click.echo("  " + " \\\n    ".join(shell_lines(argv)) + "\n")
    if requests:
        click.echo("And what it would then be told, in this order:\n")
        click.echo("  " + "\n  ".join(requests) + "\n")
    uid = (placement or {}).get("metadata", {}).get("uid", "")
    claim(not status_of(placement).get("vmm"), "the dry run has a VMM")
    claim(uid and not processes_with(uid), "something runs for the dry run")
    click.echo("Nothing runs for it: no process of this machine carries its UID.\n")
    return prepared


def shell_lines(argv: Sequence[str]) -> list[str]:
    """Put each option on a line of its own, with its value."""
    lines: list[str] = []
    for word in argv:
        if not lines or word.startswith("-") or " " in lines[-1]:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return lines
