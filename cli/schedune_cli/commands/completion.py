"""``schedune completion``: what a shell evaluates to complete our commands."""

from typing import Final

import click
from click.shell_completion import get_completion_class

EXAMPLES: Final = """\b
Examples:
  eval "$(schedune completion bash)"     in ~/.bashrc
  eval "$(schedune completion zsh)"      in ~/.zshrc
  schedune completion fish > ~/.config/fish/completions/schedune.fish

The same comes from _SCHEDUNE_COMPLETE=bash_source schedune (zsh_source, fish_source)."""
PROGRAM: Final = "schedune"
VARIABLE: Final = "_SCHEDUNE_COMPLETE"


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
