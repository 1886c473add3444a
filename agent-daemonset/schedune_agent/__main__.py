"""``schedune-agent``: the process on a node."""

import asyncio
import os
from pathlib import Path

import click

from schedune_agent.app import clock, run_agents
from schedune_agent.guests_end import end_guests
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import IdentityChangedError
from schedune_agent.settings import AgentSettings, read_settings
from schedune_agent.system.descriptors import raise_limit
from schedune_kube.log import set_up_logging
from schedune_kube.settings import SettingsError, kubernetes_of_pod

_SETTINGS = click.option(
    "--settings", "files", type=click.Path(path_type=Path), multiple=True, required=True,
    help="Settings file (YAML); several for several nodes in one process.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Publish this node's truth and carry out its placements."""
    raise_limit()  # each VM takes several files; VMs get the limit that was


@main.command()
@_SETTINGS
def run(files: tuple[Path, ...]) -> None:
    """Run the agent of this machine."""
    _run([_read(path) for path in files])


@main.command()
@_SETTINGS
def replay(files: tuple[Path, ...]) -> None:
    """Publish recorded facts; validate and prepare placements, execute none."""
    settings = [_read(path) for path in files]
    for path, one in zip(files, settings, strict=True):
        if one.facts_file is None:
            _refuse(f"{path}: `factsFile` is missing: it names what is replayed")
    _run(settings)


@main.command("host-shutdown")
@click.option(
    "--settings", "file", type=click.Path(path_type=Path), required=True,
    help="Settings file of the agent of this host (YAML).",
)  # fmt: skip
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), default=300.0, show_default=True,
    help="Seconds that an agent which runs is given to end its guests.",
)  # fmt: skip
@click.option("--cancel", is_flag=True, help="The host stays up: take the order back.")
def host_shutdown(file: Path, wait_s: float, cancel: bool) -> None:  # noqa: FBT001 - a flag
    """End all guests of this host in order: it goes down. An agent's end never means that."""
    settings = _read(file)
    set_up_logging()
    try:
        if cancel:
            HostShutdown(settings.run_directory, "").cancel()
            return
        left = asyncio.run(end_guests(settings, wait_s, clock))
    except OSError as error:
        _refuse(str(error))
        raise
    for one in left:
        click.echo(f"schedune-agent: {one}", err=True)
    raise SystemExit(1 if left else 0)


def _read(path: Path) -> AgentSettings:
    try:
        return read_settings(path, kubernetes_of_pod(os.environ))
    except SettingsError as error:
        _refuse(str(error))
        raise


def _refuse(message: str) -> None:
    click.echo(f"schedune-agent: {message}", err=True)
    raise SystemExit(2)


def _run(settings: list[AgentSettings]) -> None:
    set_up_logging()
    try:
        asyncio.run(run_agents(settings))
    except* SettingsError as group:
        for error in group.exceptions:
            click.echo(f"schedune-agent: {error}", err=True)
        raise SystemExit(2) from None
    except* IdentityChangedError as group:
        # Whoever runs us starts us again: VMs are then adopted as after any restart.
        click.echo(f"schedune-agent: {group.exceptions[0]}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
