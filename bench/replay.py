"""A fleet of replayed nodes on a real API server: start-up, steady load, the operator's look.

Nodes, processes, connections and seconds are arguments: ``replay.py --help``.
"""

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from counters import read_counters
from fleet_processes import PER_PROCESS, Fleet, replaying
from load import beats, tell_load
from machine import probes_of, record, settings_in
from nodes import make_nodes, names_of
from poll import look_as_the_operator
from table import mebi, share, tell, tell_machine

from schedune_agent.settings import AgentSettings
from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.settings import KubernetesSettings
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.interrupted import end_in_order_on_sigterm

_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/schedune-node-lease/leases?limit=1"
_START_UP_S: Final = 1800.0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--processes", type=int, help=f"default: one for {PER_PROCESS} nodes")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long steady is measured")
    parser.add_argument("--settle", type=float, default=30.0, help="pause before that, in seconds")
    parser.add_argument(
        "--changes", type=float, default=0.01, help="share of the nodes whose facts change a minute"
    )
    parser.add_argument(
        "--own-connections", action="store_true", help="each node opens connections of its own"
    )
    return parser.parse_args()


async def make(plane: ControlPlane, names: list[str], tokens: Path) -> None:
    """Make the nodes, each with the file of its token."""
    credentials = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="schedune-bench") as client:
        await make_nodes(client, names, tokens)


def agents_of(
    plane: ControlPlane, names: list[str], tokens: Path, own: AgentSettings, facts: Path
) -> list[Any]:
    """Return the settings of all nodes; periods as they ship."""
    found = []
    for name in names:
        kubernetes = KubernetesSettings(
            server=plane.layout.server,
            ca_file=plane.layout.authority,
            token_file=tokens / f"{name}.token",
        )
        settings = own.model_copy(update={"kubernetes": kubernetes, "facts_file": facts})
        found.append(settings.model_dump(mode="json", by_alias=True))
    return found


def _vouched(plane: ControlPlane) -> int:
    """Return how many truths are there: an agent's Lease vouches for what is stored."""
    body = plane.ask("GET", _LEASES).body
    return len(body["items"]) + int(body["metadata"].get("remainingItemCount") or 0)


def await_truths(plane: ControlPlane, fleet: Fleet, count: int) -> float:
    """Wait until every node's truth is vouched for; return the seconds."""
    started = time.monotonic()
    while (there := _vouched(plane)) < count:
        fleet.check_alive()
        if time.monotonic() - started > _START_UP_S:
            raise SystemExit(f"{there} of {count} truths are there after {_START_UP_S:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - started


def _measure(told: argparse.Namespace, plane: ControlPlane, folder: Path) -> None:
    own = settings_in(folder)
    facts, tokens, names = folder / "facts.json", folder / "tokens", names_of(told.nodes)
    tokens.mkdir(mode=0o700)
    record(asyncio.run(probes_of(own).take_facts()), facts)
    started = time.monotonic()
    asyncio.run(make(plane, names, tokens))
    tell(f"making {told.nodes} Nodes, pods and tokens", f"{time.monotonic() - started:.1f} s")
    first = read_counters(plane)
    with replaying(told, agents_of(plane, names, tokens, own, facts), folder) as fleet:
        took = await_truths(plane, fleet, told.nodes)
        tell("start-up: until all truths are there", f"{took:.1f} s")
        tell_load("start-up", first, read_counters(plane), told.nodes)
        for event in ("truth.not-published", "lease.not-renewed"):
            tell(f"start-up: agents logged {event}", f"{fleet.count(event)}")
        time.sleep(told.settle)
        _tell_steady(told, plane, fleet, own.heartbeat_seconds)
        asyncio.run(look_as_the_operator(plane))
        tell_machine("at the end")


def _tell_steady(
    told: argparse.Namespace, plane: ControlPlane, fleet: Fleet, heartbeat_s: float
) -> None:
    before, cpu = read_counters(plane), fleet.cpu_s()
    missed = fleet.count("not-published") + fleet.count("not-renewed")
    time.sleep(told.seconds)
    after, used = read_counters(plane), fleet.cpu_s() - cpu
    fleet.check_alive()
    tell_load("steady", before, after, told.nodes)
    missed = fleet.count("not-published") + fleet.count("not-renewed") - missed
    tell("steady: agents logged that something was not written", f"{missed}")
    took = after.time_s - before.time_s
    each = (beats(after) - beats(before)) / told.nodes
    every = f"{took / each:.0f} s" if each else "never"
    tell("steady: a Lease is renewed every", every, f"asked for: {heartbeat_s:.0f} s")
    tell("steady: all agents, CPU of a core", share(used, took))
    rss, count = fleet.rss(), fleet.processes
    tell("steady: processes / RSS of the largest", f"{count} / {mebi(rss)}")
    tell("steady: RSS a node", f"{rss * count / told.nodes / 1024:.1f} KiB")


def main() -> None:
    """Print the table."""
    told = _parse()
    end_in_order_on_sigterm()
    tell_machine("at the start")
    tell("replayed: truth and Lease of each, no watch of placements", f"{told.nodes} nodes")
    with tempfile.TemporaryDirectory(prefix="schedune-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "control-plane").mkdir()
        plane = stack.enter_context(running_control_plane(folder / "control-plane"))
        _measure(told, plane, folder)


if __name__ == "__main__":
    main()
