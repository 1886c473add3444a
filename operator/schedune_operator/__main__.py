"""``schedune-operator``: the process that decides."""

import asyncio
import logging
from pathlib import Path

import click

from schedune_kube.log import set_up_logging
from schedune_kube.settings import SettingsError
from schedune_operator.app import run_operator
from schedune_operator.settings import read_settings


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings", "file", type=click.Path(path_type=Path),
    help="Settings file (YAML); without one the pod's own account and the defaults.",
)  # fmt: skip
@click.option(
    "--admission", "answers", is_flag=True,
    help="Answer at `kubectl apply` also where the settings do not say `admission`.",
)  # fmt: skip
def main(file: Path | None, *, answers: bool) -> None:
    """Turn VMWorkloads into placements and tell why."""
    set_up_logging()
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    try:
        asyncio.run(run_operator(read_settings(file, answers_at_apply=answers)))
    except SettingsError as error:
        click.echo(f"schedune-operator: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
