"""A lab: brought up, found again, taken down."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from schedune_lab import cluster, controlplane
from schedune_lab.cluster import Setup
from schedune_lab.controlplane import Layout
from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu
from schedune_lab.processes import Identity, end, is_alive, start_detached, wait_gone
from schedune_lab.progress import LabError, say
from schedune_lab.state import Part, State, Token
from schedune_lab.toolchain import find_binaries, kubernetes_version

THIS_MACHINE: Final = "this-machine"
HEARTBEAT_S: Final = 2
LEASE_S: Final = 8
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_MEBI: Final = 2**20


@dataclass(frozen=True)
class Lab:
    """A lab that is up."""

    state: Path
    kubectl: Path
    user_kubeconfig: Path
    kubernetes: str
    node: str

    @property
    def _state(self) -> State:
        return State(self.state)

    def agent_pid(self, node: str) -> int | None:
        """Return the process that speaks for a node; None: it does not run."""
        found = self._state.identity(f"agent-{node}")
        return found[0].pid if found is not None and is_alive(found[0]) else None

    def stop_agent(self, node: str) -> None:
        """End a node's agent in order, and keep it stopped."""
        self._state.stop_file(f"agent-{node}").touch()
        found = self._state.identity(f"agent-{node}")
        if found is not None and not end(found[0]):
            raise LabError(f"the agent of {node} (pid {found[0].pid}) does not end")

    def kill_agent(self, node: str) -> None:
        """End a node's agent by SIGKILL, and keep it stopped."""
        self._state.stop_file(f"agent-{node}").touch()
        found = self._state.identity(f"agent-{node}")
        if found is None or not is_alive(found[0]):
            return
        descriptor = os.pidfd_open(found[0].pid)
        try:
            if is_alive(found[0]):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        wait_gone(found[0], 5.0)

    def start_agent(self, node: str) -> None:
        """Start a node's agent again."""
        self._state.stop_file(f"agent-{node}").unlink(missing_ok=True)


def find(folder: Path) -> Lab | None:
    """Return the lab in a directory if its supervisor lives."""
    state = State(folder)
    facts = state.facts()
    if facts is None or state.supervisor() is None:
        return None
    return Lab(
        folder,
        Path(str(facts["kubectl"])),
        folder / "user.kubeconfig",
        str(facts["kubernetes"]),
        THIS_MACHINE,
    )


def prepare() -> Path:
    """Fetch and build everything a lab needs; return the control plane's programs."""
    binaries = find_binaries()
    ensure_qemu()
    ensure_busybox()
    ensure_kernel()
    return binaries


def up(folder: Path) -> Lab:
    """Bring a lab up, or find the one that is.

    Raises:
        LabError: something is missing or did not start; says what.
    """
    found = find(folder)
    if found is not None:
        say(f"the lab in {folder} is up already")
        return found
    if folder.exists():
        say("cleaning up after a lab that was not taken down")
        down(folder)
    binaries = prepare()
    folder.mkdir(parents=True, mode=0o700)
    for name in ("log", "running", "stopped"):
        (folder / name).mkdir()
    try:
        return _start(folder, binaries)
    except BaseException:
        say("the lab did not come up: taking down what was started")
        shutil.copytree(
            folder / "log", Path(tempfile.gettempdir()) / "schedune-lab-log", dirs_exist_ok=True
        )
        down(folder)
        raise


def _start(folder: Path, binaries: Path) -> Lab:
    state = State(folder)
    layout, authority = controlplane.prepare(folder, binaries)
    controlplane.sign_user(authority, layout, "lab", "schedune-lab")
    controlplane.sign_user(authority, layout, "user", "schedune-lab-user")
    runs = Path(tempfile.mkdtemp(prefix="schedune-"))
    facts: dict[str, object] = {"kubectl": str(layout.kubectl), "kubernetes": kubernetes_version()}
    state.write_facts({**facts, "runs": str(runs)})
    start_detached(
        [sys.executable, "-m", "schedune_lab.supervisor", str(folder)], state.log("supervisor")
    )
    parts = _start_control_plane(state, layout)
    setup = Setup(layout.kubectl, layout.admin_kubeconfig)
    cluster.install(setup)
    say("definitions, rights and policies are in place")
    nodes = _add_nodes(setup, state, layout, runs, parts)
    say("operator and agents are starting")
    cluster.wait_for_truths(setup, nodes)
    for secret in (layout.admin_kubeconfig, layout.pki / "admin.key", layout.pki / "admin.crt"):
        secret.unlink()
    say(f"the lab is up: {len(nodes)} nodes; kubectl --kubeconfig {folder / 'user.kubeconfig'}")
    found = find(folder)
    if found is None:
        raise LabError(f"the supervisor ended; see {state.log('supervisor')}")
    return found


def _start_control_plane(state: State, layout: Layout) -> list[Part]:
    parts = [Part("etcd", controlplane.argv_of("etcd", layout))]
    state.write_parts(parts)
    controlplane.check_etcd_is_ours(layout)
    parts.append(Part("kube-apiserver", controlplane.argv_of("kube-apiserver", layout)))
    state.write_parts(parts)
    controlplane.wait_until_ready(layout)
    say(f"kube-apiserver {kubernetes_version()} is ready at {layout.server}")
    parts.append(
        Part("kube-controller-manager", controlplane.argv_of("kube-controller-manager", layout))
    )
    state.write_parts(parts)
    return parts


def _add_nodes(
    setup: Setup, state: State, layout: Layout, runs: Path, parts: list[Part]
) -> list[str]:
    """Make nodes, pods, tokens and settings, and hand the processes to the supervisor."""
    recorded = {path.stem: path for path in sorted(cluster.FLEET.glob("*.yaml"))}
    architecture = _ARCHITECTURES[platform.machine()]
    cluster.add_node(setup, THIS_MACHINE, architecture, THIS_MACHINE)
    for name, path in recorded.items():
        truth = yaml.safe_load(path.read_text())
        cluster.add_node(setup, name, truth["status"]["cpu"]["architecture"], "recorded")
    nodes = [THIS_MACHINE, *recorded]
    tokens = [_token(setup, state, "operator", "schedune-operator", THIS_MACHINE)]
    tokens += [_token(setup, state, f"agent-{name}", "schedune-agent", name) for name in nodes]
    state.write_tokens(tokens)
    _await_files([Path(one.file) for one in tokens])
    cluster_uid = setup.uid("namespace", "kube-system")
    _put_images(state.folder / "images")
    parts.append(Part("operator", _operator(state, layout)))
    for name in nodes:
        settings = _agent(state, layout, runs, name, cluster_uid, recorded.get(name))
        verb = "replay" if name in recorded else "run"
        argv = [sys.executable, "-m", "schedune_agent", verb, "--settings", str(settings)]
        parts.append(Part(f"agent-{name}", argv))
    state.write_parts(parts)
    return nodes


def _token(setup: Setup, state: State, name: str, account: str, node: str) -> Token:
    uid = cluster.add_pod(setup, name, account, node)
    return Token(str(state.folder / f"{name}.token"), account, name, uid)


def _await_files(paths: list[Path]) -> None:
    deadline = time.monotonic() + 30
    while not all(path.exists() for path in paths):
        if time.monotonic() > deadline:
            raise LabError("the supervisor wrote no tokens; see its log")
        time.sleep(0.1)


def _put_images(folder: Path) -> None:
    folder.mkdir()
    kernel = ensure_kernel()
    shutil.copyfile(kernel.image, folder / "lab-kernel")
    build_initrd(ensure_busybox(), kernel, folder / "lab-initrd")


def _kubernetes(layout: Layout, token: Path) -> dict[str, str]:
    return {"server": layout.server, "caFile": str(layout.authority), "tokenFile": str(token)}


def _operator(state: State, layout: Layout) -> list[str]:
    settings = {
        "kubernetes": _kubernetes(layout, state.folder / "operator.token"),
        "leasePollSeconds": 1,
        "tickSeconds": 1,
        "sweepSeconds": 10,
        "leader": {
            "durationSeconds": 6,
            "renewDeadlineSeconds": 4,
            "retrySeconds": 1,
            "marginSeconds": 0.5,
        },
    }
    path = state.folder / "operator.yaml"
    path.write_text(yaml.safe_dump(settings))
    return [sys.executable, "-m", "schedune_operator", "--settings", str(path)]


def _agent(
    state: State, layout: Layout, runs: Path, name: str, uid: str, facts: Path | None
) -> Path:
    settings: dict[str, Any] = {
        "kubernetes": _kubernetes(layout, state.folder / f"agent-{name}.token"),
        "clusterUID": uid,
        "heartbeatSeconds": HEARTBEAT_S,
        "leaseDurationSeconds": LEASE_S,
        "probePeriodSeconds": 5,
        "imageRoots": [str(state.folder / "images")],
        "runDirectory": str(runs / name),
        "stateDirectory": str(state.folder / "agents" / name),
    }
    if facts is None:
        settings["capacity"] = offered_capacity()
    else:
        settings["factsFile"] = str(facts)
    path = state.folder / f"agent-{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def offered_capacity() -> dict[str, object]:
    """Return what this machine offers to the lab's VMs: its CPUs and half of what is free."""
    free = psutil.virtual_memory().available // 2 // _MEBI
    return {"vcpus": os.cpu_count() or 1, "memory": f"{min(free, 4096)}Mi"}


def down(folder: Path) -> None:
    """End exactly what a lab started, also after a crash of its supervisor; leave nothing."""
    state = State(folder)
    _delete_workloads(state, folder)
    supervisor = state.supervisor()
    if supervisor is not None and not end(supervisor, grace_s=60.0):
        say(f"the supervisor (pid {supervisor.pid}) does not end")
    for name in reversed(state.running_parts()):
        found = state.identity(name)
        if found is not None and not end(found[0]):
            say(f"{name} (pid {found[0].pid}) does not end")
    for identity in _recorded_vms(folder):
        if not end(identity):
            say(f"the VM with pid {identity.pid} does not end")
    facts = state.facts() or {}
    if facts.get("runs"):
        shutil.rmtree(str(facts["runs"]), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _delete_workloads(state: State, folder: Path) -> None:
    """Let VMs power down in order while there is somebody to see to it."""
    facts = state.facts()
    if facts is None or state.supervisor() is None or not (folder / "user.kubeconfig").exists():
        return
    say("ending the lab's VMs in order")
    argv = [
        str(facts["kubectl"]), "--kubeconfig", str(folder / "user.kubeconfig"),
        "delete", "vmworkloads", "--all", "--all-namespaces", "--cascade=foreground",
        "--timeout=60s",
    ]  # fmt: skip
    subprocess.run(argv, capture_output=True, check=False)


def _recorded_vms(folder: Path) -> list[Identity]:
    """Return the VMs that the lab's agents recorded and that still run."""
    found = []
    for path in folder.glob("agents/*/placements/*/record.json"):
        try:
            process = json.loads(path.read_text()).get("process")
        except (OSError, ValueError):
            continue
        if process:
            identity = Identity(process["pid"], process["startTime"], process["bootID"])
            if is_alive(identity):
                found.append(identity)
    return found
