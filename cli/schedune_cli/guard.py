"""The last line before a user: no traceback reaches one, and no defect is hidden."""

import os
import sys
import traceback
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

import click

from schedune_cli.commands.exits import Exit, tell
from schedune_cli.problems import BadInputError

_PASSES: Final = (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError)
"""What click itself turns into a message or an exit status."""


class GuardedGroup(click.Group):
    """Commands that are loaded when they are asked for, under one guard."""

    found: dict[str, EntryPoint]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, also of those that are not loaded."""
        return sorted({*super().list_commands(ctx), *self.found})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command: the lab's libraries are no business of who explains a manifest."""
        held = super().get_command(ctx, cmd_name)
        entry = self.found.get(cmd_name)
        if held is not None or entry is None:
            return held
        loaded: click.Command = entry.load()
        self.add_command(loaded, cmd_name)
        return loaded

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; what it tells and cannot be written is no defect of its own."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if not _is_of_output(error):
                raise
            _abandon_output()
            told = f"error: standard output: cannot be written: {error.strerror or error}"
            with suppress(OSError):
                click.echo(told, err=True)
            sys.exit(Exit.BAD_INPUT)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it did not foresee is said to be our defect."""
        try:
            return super().invoke(ctx)
        except BadInputError as error:
            tell(error.problems)
            ctx.exit(Exit.BAD_INPUT)
        except _PASSES:
            raise
        except Exception as error:
            if _is_of_output(error):
                raise
            if ctx.params.get("debug"):
                traceback.print_exc(file=sys.stderr)
            told = f"{type(error).__name__}: {error}".strip()
            click.echo(f"error: internal error: {told}", err=True)
            click.echo(
                "This is a defect of schedune, not of your input. Run `schedune --debug ...` with"
                " the same arguments, and report what it prints.",
                err=True,
            )
            ctx.exit(Exit.BAD_INPUT)


def _is_of_output(error: Exception) -> bool:
    """Say whether it was met on the way out: by the one function that all we tell goes through."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return isinstance(error, OSError) and any(one.f_code is click.echo.__code__ for one in frames)


def _abandon_output() -> None:
    """Lead to nowhere what could not be written: at its end Python would try it once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with Path(os.devnull).open("w") as nowhere, suppress(OSError):
                os.dup2(nowhere.fileno(), stream.fileno())
