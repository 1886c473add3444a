"""The real agent process on a real API server, left alone for a while."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml
from machine import settings_in
from nodes import make_nodes
from table import mebi, share, tell

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.settings import KubernetesSettings
from schedune_lab import processes
from schedune_testing.control_plane import ControlPlane

NODE = "this-machine"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/schedune-node-lease/leases/{NODE}"
_FIRST_TRUTH_S = 120.0
_LOOK_S = 1.0


def tell_steady(plane: ControlPlane, folder: Path, settle_s: float, seconds: float) -> None:
    """Print the share of a core and the memory of the agent, once its truth is there."""
    with running_agent(plane, folder) as agent:
        time.sleep(settle_s)
        before, started = cpu_s(agent), time.monotonic()
        own, whole = [], []
        while time.monotonic() - started < seconds:
            own.append(agent.memory_info().rss)
            children = agent.children(recursive=True)
            whole.append(own[-1] + sum(_rss(one) for one in children))
            time.sleep(_LOOK_S)
        took = time.monotonic() - started
        used = cpu_s(agent) - before
        tell(f"steady agent for {took:.0f} s: CPU of a core", share(used, took), "<= 1 %")
        tell("steady agent: RSS at most", mebi(max(own)), "<= 80 MiB")
        tell("steady agent: RSS at most, with children", mebi(max(whole)))
        tell("steady agent: USS (not shared with others)", mebi(agent.memory_full_info().uss))


@contextmanager
def running_agent(
    plane: ControlPlane,
    folder: Path,
    images: Path | None = None,
    capacity: Mapping[str, object] | None = None,
) -> Iterator[psutil.Process]:
    """Run the agent of this machine from its first truth on."""
    asyncio.run(_make_node(plane, folder))
    kubernetes = KubernetesSettings(
        server=plane.layout.server,
        ca_file=plane.layout.authority,
        token_file=folder / f"{NODE}.token",
    )
    settings, log = settings_in(folder, kubernetes, images), folder / "agent.log"
    told = settings.model_dump(mode="json", by_alias=True)
    told["capacity"] |= capacity or {}
    file = folder / "agent.yaml"
    file.write_text(yaml.safe_dump(told))
    argv = [sys.executable, "-m", "schedune_agent", "run", "--settings", str(file)]
    process = processes.start(argv, log)
    try:
        deadline = time.monotonic() + _FIRST_TRUTH_S
        while not plane.ask("GET", _LEASE).accepted:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the agent published nothing: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _make_node(plane: ControlPlane, folder: Path) -> None:
    credentials = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="schedune-bench") as client:
        await make_nodes(client, [NODE], folder)


def cpu_s(agent: psutil.Process) -> float:
    """Return the CPU seconds of the agent and its ended children."""
    used = agent.cpu_times()
    return float(used.user + used.system + used.children_user + used.children_system)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
