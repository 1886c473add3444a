"""What the demo sees of the world: a lab, its kubectl, this machine's processes."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import click

from schedune_lab.objects import LAB_LABEL

Object = Mapping[str, Any]
_T = TypeVar("_T")
_PAUSE_S: Final = 0.4
_WIDEST: Final = 160


class StepError(Exception):
    """A step did not show what it claims; the message says what was seen instead."""


class DemoLab(Protocol):
    """What the demo asks of a lab that is up."""

    @property
    def kubectl(self) -> Path:
        """The kubectl of the lab's version."""
        ...

    @property
    def user_kubeconfig(self) -> Path:
        """An ordinary user's access."""
        ...

    @property
    def kubernetes(self) -> str:
        """Version of the API server, for example v1.37.2."""
        ...

    @property
    def state(self) -> Path:
        """The lab's directory."""
        ...

    @property
    def id(self) -> str:
        """What the lab writes on everything that it makes."""
        ...

    @property
    def shared(self) -> bool:
        """Whether the cluster is not the lab's own: others may have made things there."""
        ...

    @property
    def node(self) -> str:
        """Name of this machine's Node."""
        ...

    def agent_pid(self, node: str) -> int | None:
        """Return the process that speaks for a node; None: it does not run."""
        ...

    def stop_agent(self, node: str) -> None:
        """End a node's agent in order, and keep it stopped."""
        ...

    def kill_agent(self, node: str) -> None:
        """End a node's agent by SIGKILL, and keep it stopped."""
        ...

    def start_agent(self, node: str) -> None:
        """Start a node's agent again."""
        ...


class Kubectl:
    """Runs the lab's kubectl as an ordinary user, before the reader's eyes or quietly."""

    def __init__(self, lab: DemoLab) -> None:
        self._lab = lab
        self._argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig)]

    def show(self, *arguments: str) -> str:
        """Run a command and print it with its output.

        Raises:
            StepError: the command failed.
        """
        click.secho(f"$ kubectl {' '.join(arguments)}", bold=True)
        done = self._run(*arguments)
        for line in (done.stdout + done.stderr).rstrip().splitlines():
            click.echo(f"  {line}"[:_WIDEST])
        click.echo()
        if done.returncode:
            raise StepError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()[-400:]}")
        return done.stdout

    def apply(self, path: Path, name: str) -> None:
        """Apply the manifest of a VMWorkload, and mark it as one that goes with the lab.

        Raises:
            StepError: somebody else has one of that name, or the command failed.
        """
        found = self.read("vmworkload", name)
        label = (found or {}).get("metadata", {}).get("labels", {}).get(LAB_LABEL)
        if found is not None and self._lab.shared and label != self._lab.id:
            raise StepError(
                f"VMWorkload {name} in namespace default is not the demo's: rename or delete it"
            )
        self.show("apply", "-f", str(path))
        self._run("label", "vmworkload", name, "--overwrite", f"{LAB_LABEL}={self._lab.id}")

    def read(self, kind: str, name: str) -> Object | None:
        """Return an object; None where there is none.

        Raises:
            StepError: the API server gave no answer.
        """
        done = self._run("get", kind, name, "--ignore-not-found", "-o", "json")
        if done.returncode:
            raise StepError(f"kubectl get {kind} {name} failed: {done.stderr.strip()[-400:]}")
        found = json.loads(done.stdout) if done.stdout.strip() else None
        return found if isinstance(found, dict) else None

    def follow(self, kind: str, name: str) -> "Follower":
        """Watch one object until the follower is closed."""
        return Follower([*self._argv, "get", kind, name, "--watch", "-o", "json"])

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._argv, *arguments], capture_output=True, text=True, check=False, timeout=360
            )
        except subprocess.TimeoutExpired as error:
            raise StepError(f"kubectl {' '.join(arguments)} gave no answer in 360 s") from error


class Follower:
    """Every version of one object while it is followed."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def close(self) -> list[Object]:
        """Stop following and return what was seen, oldest first."""
        self._process.terminate()
        text, _ = self._process.communicate(timeout=10)
        decoder, seen, rest = json.JSONDecoder(), [], text.lstrip()
        while rest:
            try:
                found, end = decoder.raw_decode(rest)
            except json.JSONDecodeError:
                break
            seen.append(found)
            rest = rest[end:].lstrip()
        return seen


def wait_for(what: str, question: Callable[[], _T | None], limit_s: float) -> _T:
    """Ask until there is an answer.

    Raises:
        StepError: there was none within the limit.
    """
    deadline = time.monotonic() + limit_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise StepError(f"waited {limit_s:.0f} s in vain: {what}")
        time.sleep(_PAUSE_S)


def condition(found: Object | None, kind: str) -> Object:
    """Return a condition of an object; empty where it is not set."""
    conditions = status_of(found).get("conditions", [])
    return next((one for one in conditions if one.get("type") == kind), {})


def status_of(found: Object | None) -> Object:
    """Return an object's status; empty where there is none."""
    return (found or {}).get("status") or {}


def processes_with(text: str) -> list[int]:
    """Return the processes of this machine whose command line holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command:
            found.append(int(folder.name))
    return found


def claim(holds: object, otherwise: str) -> None:
    """Demand that something holds.

    Raises:
        StepError: it does not.
    """
    if not holds:
        raise StepError(otherwise)
