"""``schedune logs`` and ``schedune console``: on the node, found by the agent's records."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from schedune_agent.consoles.attach import AttachError, attach
from schedune_agent.consoles.finding import find_record, read_again
from schedune_agent.record import LaunchRecord, record_file
from schedune_agent.settings import AgentSettings, read_settings
from schedune_agent.vmm.console_log import ConsoleLog, show
from schedune_agent.vmm.port import VmPaths
from schedune_kube.settings import SettingsError

_LOOK_SECONDS: Final = 0.5
_BAD_INPUT: Final = 2
_NO_SUCH_VM: Final = 1
_FOLDER: Final = click.Path(path_type=Path)
_PLACES: Final = (
    click.option("--settings", type=_FOLDER, metavar="FILE",
                 help="Settings file of the agent of this machine: it names the state directory."),
    click.option("--state-directory", type=_FOLDER, metavar="FOLDER",
                 help="Where launch records are. Unset: the agent's default, /var/lib/schedune."),
)  # fmt: skip
LOGS_EXAMPLES: Final = """\b
Examples:
  schedune logs default/hello
  schedune logs default/hello --tail 50
  schedune logs default/hello --follow --settings /etc/schedune/agent.yaml"""
CONSOLE_EXAMPLES: Final = """\b
Examples:
  schedune console default/hello
  schedune console default/hello --settings /etc/schedune/agent.yaml"""


class _VmName(click.ParamType[tuple[str, str]]):
    """NAMESPACE/NAME."""

    name = "namespace/name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        namespace, slash, name = str(value).partition("/")
        if not (namespace and slash and name) or "/" in name:
            self.fail(f"'{value}' is not NAMESPACE/NAME: write for example default/hello",
                      param, ctx)  # fmt: skip
        return namespace, name


def _of_a_vm(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_PLACES):
        command = option(command)
    return click.argument("vm", type=_VmName(), metavar="NAMESPACE/NAME")(command)


@click.command(epilog=LOGS_EXAMPLES)
@_of_a_vm
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the VM ends.")
def logs(
    vm: tuple[str, str],
    settings: Path | None,
    state_directory: Path | None,
    *,
    tail: int | None,
    follow: bool,
) -> None:
    r"""Print what a VM of this node wrote on its console, as far as it is kept.

    The agent keeps the last 256 to 512 KiB of each VM on disk, over restarts of the VM, of
    its VMM and of the agent, and for as long as its placement exists. Whatever could drive
    a terminal is printed as an escape (\x1b). It needs the rights of the agent's user, as a
    rule root; it needs no cluster.

    Exit status: 0 printed, 1 no such VM on this node, 2 bad input, or no right to look.
    """
    _print(_state_directory(settings, state_directory), vm, tail, follow=follow)


@click.command(epilog=CONSOLE_EXAMPLES)
@_of_a_vm
@click.option(
    "--run-directory", type=_FOLDER, metavar="FOLDER",
    help="Where control sockets are. Unset: the agent's default, /run/schedune.",
)  # fmt: skip
def console(
    vm: tuple[str, str],
    settings: Path | None,
    state_directory: Path | None,
    run_directory: Path | None,
) -> None:
    """Sit down at the serial line of a VM of this node; Ctrl-] leaves it.

    What you type goes to the guest, and what it writes comes to your terminal as it is: the
    guest can do with your terminal what any program in it can. It is kept for `schedune
    logs` all the same. One can sit there at a time, and with QEMU on amd64 only; to watch
    any VM, and safely, use `schedune logs --follow`.

    Exit status: 0 left, 1 no such VM on this node, 2 bad input, no right, or nobody can sit
    there.
    """
    if settings is not None and run_directory is not None:
        raise click.UsageError("--settings takes the place of --run-directory")
    state = _state_directory(settings, state_directory)
    run = _run_directory(settings, run_directory)
    with _told_plainly():
        record = _find(state, vm)
        paths = VmPaths(run / record.placement_uid, state / "vms" / record.placement_uid)
        click.echo("At the console; Ctrl-] leaves it.", err=True)
        try:
            asyncio.run(attach(record, paths))
        except AttachError as error:
            watch = f"`schedune logs --follow {vm[0]}/{vm[1]}` shows it without typing"
            _refuse(f"no seat at this console: {error}; {watch}", _BAD_INPUT)


def _run_directory(settings: Path | None, run_directory: Path | None) -> Path:
    if settings is not None:
        return read_settings(settings).run_directory
    return run_directory or Path(AgentSettings.model_fields["run_directory"].default)


def _state_directory(settings: Path | None, state_directory: Path | None) -> Path:
    if settings is None:
        return state_directory or Path(AgentSettings.model_fields["state_directory"].default)
    if state_directory is not None:
        raise click.UsageError("--settings takes the place of --state-directory")
    try:
        return read_settings(settings).state_directory
    except SettingsError as error:
        _refuse(str(error), _BAD_INPUT)


def _print(state: Path, vm: tuple[str, str], tail: int | None, *, follow: bool) -> None:
    # Whoever reads the output may have enough of it, as head has: that is no error.
    with _told_plainly(but=(BrokenPipeError,)):
        for piece in _pieces(state, _find(state, vm), tail, follow=follow):
            click.echo(piece, nl=False)


def _find(state: Path, vm: tuple[str, str]) -> LaunchRecord:
    record = find_record(state, *vm)
    if record is None:
        _refuse(
            f"no record of a VM {vm[0]}/{vm[1]} in {state}; `kubectl get vmp -n {vm[0]}"
            f" {vm[1]} -o wide` tells on which node it is",
            _NO_SUCH_VM,
        )
    return record


@contextmanager
def _told_plainly(but: tuple[type[OSError], ...] = ()) -> Iterator[None]:
    """Make words of what a user may meet, ``but`` of what is left to click."""
    try:
        yield
    except but:
        raise
    except PermissionError as error:
        _refuse(
            f"{error.filename} may not be read by this user: run it as the agent's user, as a"
            " rule with sudo",
            _BAD_INPUT,
        )
    except OSError as error:
        _refuse(str(error), _BAD_INPUT)
    except KeyboardInterrupt:
        click.echo()


def _pieces(state: Path, record: LaunchRecord, tail: int | None, *, follow: bool) -> Iterator[str]:
    folder = record_file(state, record.placement_uid).parent
    reader = ConsoleLog(folder).reader()
    first = reader.read()
    lines = first.splitlines(keepends=True)
    yield show(b"".join(lines[-tail:] if tail else [] if tail == 0 else lines))
    if not follow:
        if first and not first.endswith(b"\n"):
            yield "\n"
        return
    latest: LaunchRecord | None = record
    while latest is not None and latest.ended is None:
        time.sleep(_LOOK_SECONDS)
        latest = read_again(state, record)
        yield show(reader.read())


def _refuse(message: str, status: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)
