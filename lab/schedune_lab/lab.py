"""A lab: brought up, found again, taken down."""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from schedune_kube.errors import ApiError
from schedune_lab import embedded, existing, lock
from schedune_lab.ending import take_down
from schedune_lab.existing import Existing, Wish
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu
from schedune_lab.nodes import THIS_MACHINE
from schedune_lab.ports import free_ports
from schedune_lab.processes import end, start_detached, wait_gone
from schedune_lab.progress import LabError, say
from schedune_lab.set_up import set_up
from schedune_lab.state import Facts, Ports, State
from schedune_lab.toolchain import find_binaries


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    state: Path
    id: str
    kubectl: Path
    user_kubeconfig: Path
    kubernetes: str
    node: str
    ports: Ports
    shared: bool
    """Whether its cluster was there before it, and others may use it too."""

    @property
    def _state(self) -> State:
        return State(self.state)

    def agent_pid(self, node: str) -> int | None:
        """Return the process that speaks for a node; None: it does not run."""
        found = self._state.alive(f"agent-{node}")
        return found.pid if found is not None else None

    def stop_agent(self, node: str) -> None:
        """End a node's agent in order, and keep it stopped."""
        self._state.stop_file(f"agent-{node}").touch()
        found = self._state.alive(f"agent-{node}")
        if found is not None and not end(found):
            raise LabError(f"the agent of {node} (pid {found.pid}) does not end")

    def kill_agent(self, node: str) -> None:
        """End a node's agent by SIGKILL, and keep it stopped."""
        self._state.stop_file(f"agent-{node}").touch()
        found = self._state.alive(f"agent-{node}")
        if found is None:
            return
        descriptor = os.pidfd_open(found.pid)
        try:
            if self._state.alive(f"agent-{node}") == found:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        wait_gone(found, 5.0)

    def start_agent(self, node: str) -> None:
        """Start a node's agent again."""
        self._state.stop_file(f"agent-{node}").unlink(missing_ok=True)


def find(folder: Path) -> Lab | None:
    """Return the lab in a directory if it came up and its supervisor lives."""
    state = State(folder)
    facts = state.facts()
    if facts is None or not facts.complete or state.supervisor() is None:
        return None
    return Lab(
        folder,
        facts.lab,
        Path(facts.kubectl),
        folder / "user.kubeconfig",
        facts.kubernetes,
        THIS_MACHINE,
        facts.ports,
        shared=facts.given is not None,
    )


def prepare() -> Path:
    """Fetch and build everything a lab needs; return the control plane's programs."""
    binaries = find_binaries()
    ensure_qemu()
    ensure_busybox()
    ensure_kernel()
    return binaries


def up(folder: Path, wish: Wish | None = None) -> Lab:
    """Bring a lab up, on an own control plane or an existing cluster, or find the one that is.

    Raises:
        LabError: something is missing, in the way, or did not start; says what.
    """
    with lock.hold(folder):
        found = find(folder)
        if found is not None:
            _check_same(folder, wish)
            say(f"the lab in {folder} is up already")
            return found
        if any(folder.iterdir()):
            say("cleaning up after a lab that was not taken down")
            take_down(folder)
        given = existing.look_at(wish, find_binaries() / "kubectl") if wish else None
        return _bring_up(folder, prepare(), given)


def down(folder: Path) -> None:
    """Take a lab down, and leave nothing of it.

    Raises:
        LabError: something is left; says what.
    """
    with lock.hold(folder):
        take_down(folder)


def _check_same(folder: Path, wish: Wish | None) -> None:
    """Check that a lab that was found is on the cluster that was asked for."""
    facts = State(folder).facts()
    if wish is None or facts is None:
        return
    path = str(wish.kubeconfig.expanduser().resolve())
    held = facts.given
    if held and held.kubeconfig == path and wish.context in (None, held.context):
        return
    where = f"{held.kubeconfig} (context {held.context})" if held else "a control plane of its own"
    raise LabError(
        f"the lab in {folder} is up already, on {where}; take it down, or give another --state"
    )


def _bring_up(folder: Path, binaries: Path, given: Existing | None) -> Lab:
    for name in ("log", "running", "stopped"):
        (folder / name).mkdir()
    try:
        return _start(folder, binaries, given)
    except BaseException as error:
        say("the lab did not come up: taking down what was started")
        kept = tempfile.mkdtemp(prefix="schedune-lab-log-")
        shutil.copytree(folder / "log", kept, dirs_exist_ok=True)
        say(f"its logs are kept in {kept}")
        take_down(folder)
        if isinstance(error, ApiError):
            raise LabError(f"the API server refused, or is silent: {error}") from error
        raise


def _start(folder: Path, binaries: Path, given: Existing | None) -> Lab:
    state = State(folder)
    facts = Facts(
        lab=secrets.token_hex(8),
        kubectl=str(binaries / "kubectl"),
        runs=tempfile.mkdtemp(prefix="schedune-"),
        supervisor=[sys.executable, "-m", "schedune_lab.supervisor", str(folder)],
        ports=Ports(*free_ports(3)),
        given=given.given if given else None,
    )
    state.write_facts(facts)
    start_detached(facts.supervisor, state.log("supervisor"))
    access, parts = (given.access(folder), []) if given else embedded.start(state, binaries)
    nodes = asyncio.run(set_up(state, facts, access, parts))
    version = access.setup.version()
    for secret in access.secrets:
        secret.unlink()
    state.write_facts(replace(facts, kubernetes=version, server=access.server, complete=True))
    say(f"the lab is up: {nodes} nodes; kubectl --kubeconfig {folder / 'user.kubeconfig'}")
    found = find(folder)
    if found is None:
        raise LabError(f"the supervisor ended; see {state.log('supervisor')}")
    return found
