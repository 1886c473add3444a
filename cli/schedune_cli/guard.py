"""The last line before a user: no traceback reaches one, and no defect is hidden."""

import sys
import traceback
from importlib.metadata import EntryPoint
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

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it did not foresee is said to be our defect."""
        try:
            return super().invoke(ctx)
        except BadInputError as error:
            tell(error.problems)
            ctx.exit(Exit.BAD_INPUT)
        except _PASSES:
            raise
        except Exception as error:  # noqa: BLE001 - the top of the program: told, and debuggable
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
