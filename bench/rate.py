"""From apply to Scheduled: placements a second, and how long one alone takes.

In one run on one API server: kube-scheduler binding as many pods, the operator placing
workloads, and a client that writes what the operator wrote and decides nothing. They take
turns, since how fast a machine is changes within minutes: told are the medians of ratios.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import yaml
from at_rest import measure_at_rest
from ceilings import clear, measure_again, measure_least
from counters import read_counters
from fleet_processes import replaying
from machine import settings_in
from nodes import names_of
from plane_cpu import PlaneCpu, tell_plane
from replay import agents_of, await_truths, make
from rivals import NAMESPACE, in_parallel, make_pods, scheduler_argv
from seen import Seen, is_bound, is_scheduled
from table import mebi, tell, tell_machine

from schedune_kube.client import KubeClient, Raw
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import CONFIGMAPS, NODES, PODS, VMWORKLOADS
from schedune_lab import processes, toolchain
from schedune_testing.accounts import token_of
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.interrupted import end_in_order_on_sigterm
from schedune_testing.manifests import minimal_workload
from schedune_testing.nodes import facts

_ROOM: Final = {"cpu": "32", "memory": "128Gi", "pods": "110"}
_ROOM_FOR_DISKS: Final = {"totalBytes": 2**40, "availableBytes": 2**40}
_DISKS: Final = [{"path": "/images", "purpose": "Images", "access": "ReadWrite", **_ROOM_FOR_DISKS}]
_CAPACITY: Final = {"vcpus": 32, "memory": "128Gi", "disk": "1Ti", "basis": "Declared"}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--count", type=int, default=1000, help="workloads, and pods, a round")
    parser.add_argument("--rounds", type=int, default=3, help="in which all take their turns")
    parser.add_argument("--alone", type=int, default=200, help="workloads measured one by one")
    parser.add_argument("--processes", type=int, help="of replayed nodes")
    parser.add_argument("--changes", type=float, default=0.01, help="of facts, share a minute")
    parser.add_argument("--own-connections", action="store_true", help="of each replayed node")
    parser.add_argument("--profile", type=Path, help="where cProfile writes what the operator did")
    parser.add_argument("--no-rival", action="store_true", help="leave kube-scheduler out")
    parser.add_argument(
        "--at-rest",
        action="store_true",
        help="one round: let all VMs run and measure the operator left alone, not its writes alone",
    )
    return parser.parse_args()


@contextmanager
def _process(argv: list[str], log: Path, extra: dict[str, str]) -> Iterator[psutil.Process]:
    started = processes.start(argv, log, environment=extra)
    try:
        yield psutil.Process(started.pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(started.pid, signal.SIGCONT)
            started.terminate()
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


async def _let_loose(
    who: str, process: psutil.Process, cpu: PlaneCpu, backlog: Any, seen: Seen, names: set[str]
) -> float:
    """Let a scheduler find a backlog; return placements a second."""
    task = asyncio.create_task(seen.mirror.run())
    process.suspend()
    await backlog
    await seen.mirror.synced.wait()
    since, before = read_counters(cpu.plane), process.cpu_times()
    process.resume()
    done = await seen.all_of(names)
    after, plane_s = process.cpu_times(), cpu.beyond_rest(since)
    task.cancel()
    own_s = after.user + after.system - before.user - before.system
    # From the first to the last: how long it took to wake up is not what is measured.
    rate = (len(done) - 1) / (done[-1] - done[0])
    tell(f"{who} a second", f"{rate:.0f} /s")
    tell("its CPU for each", f"{1000 * own_s / len(names):.2f} ms")
    tell_plane(plane_s, len(names))
    tell("its RSS", mebi(process.memory_info().rss))
    return rate


def _workload(number: int) -> Raw:
    body = minimal_workload(f"vm-{number:05}")
    body["spec"]["acceleration"] = "Emulated"
    return body


async def _furnish(admin: KubeClient, names: list[str]) -> None:
    """Let the nodes be what kube-scheduler wants them to be."""
    ready = {"type": "Ready", "status": "True", "reason": "Bench", "message": ""}
    status = {"status": {"conditions": [ready], "capacity": _ROOM, "allocatable": _ROOM}}

    async def one(name: str) -> None:
        await admin.merge_patch(NODES, name, status, subresource="status")
        await admin.merge_patch(NODES, name, {"spec": {"taints": None}})

    await in_parallel([one(name) for name in names])


async def _measure_rival(
    told: argparse.Namespace, cpu: PlaneCpu, admin: KubeClient, argv: list[str]
) -> float:
    with _process(argv, cpu.plane.layout.folder / "log" / "kube-scheduler.log", {}) as process:
        seen = Seen(admin, PODS, is_bound)
        await make_pods(admin, 1)
        warm = asyncio.create_task(seen.mirror.run())
        await seen.all_of({"pod-00000"})
        warm.cancel()
        await admin.delete(PODS, "pod-00000", NAMESPACE)
        names = {f"pod-{number:05}" for number in range(told.count)}
        seen = Seen(admin, PODS, is_bound)
        pods = make_pods(admin, told.count)
        rate = await _let_loose("kube-scheduler: pods bound", process, cpu, pods, seen, names)
    cpu.plane.kubectl("delete", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods")
    await cpu.calm()
    return rate


async def _measure_ours(
    told: argparse.Namespace, cpu: PlaneCpu, admin: KubeClient, token: str, alone: int
) -> tuple[float, int]:
    """Return workloads a second, and how many bells were rung meanwhile."""
    plane, names = cpu.plane, [f"vm-{number:05}" for number in range(told.count)]
    with _operator(plane, token, told.profile) as process:
        await _wait_for(plane, "loop.leads")
        await _measure_alone(admin, alone)
        seen = Seen(admin, VMWORKLOADS, is_scheduled)
        backlog = in_parallel(
            [admin.create(VMWORKLOADS, _workload(n), NAMESPACE) for n in range(told.count)]
        )
        who, before = "operator: workloads Scheduled", _rings(plane)
        rate = await _let_loose(who, process, cpu, backlog, seen, set(names))
        rings = _rings(plane) - before
        tell("bells rung meanwhile, for each", f"{rings / len(names):.2f}")
        if told.at_rest:
            await measure_at_rest(plane, admin, process)
    return rate, rings


def _rings(plane: ControlPlane) -> int:
    """Return how often a bell was hung or rung."""
    counted = {"verb": {"POST", "PATCH"}, "resource": {CONFIGMAPS.plural}}
    return int(read_counters(plane).api_server("apiserver_request_total", **counted))


async def _measure_restart(plane: ControlPlane, admin: KubeClient, token: str) -> None:
    """Start an operator beside all that is placed, and apply one more workload with it."""
    seen, body = Seen(admin, VMWORKLOADS, is_scheduled), _workload(0)
    name = body["metadata"]["name"] = "after-restart"
    task = asyncio.create_task(seen.mirror.run())
    await seen.mirror.synced.wait()
    started = time.monotonic()
    with _operator(plane, token):
        await admin.create(VMWORKLOADS, body, NAMESPACE)
        await seen.all_of({name})
    task.cancel()
    tell("operator started anew: until its first decision", f"{seen.when[name] - started:.1f} s")


@contextmanager
def _operator(
    plane: ControlPlane, token: str, profile: Path | None = None
) -> Iterator[psutil.Process]:
    folder = plane.layout.folder
    token_file, settings = folder / "operator.token", folder / "operator.yaml"
    token_file.write_text(token)
    kubernetes = {
        "server": plane.layout.server,
        "caFile": str(plane.layout.authority),
        "tokenFile": str(token_file),
    }
    # It stands still while the backlog is made: its Lease must outlive that.
    leader = {"durationSeconds": 600, "renewDeadlineSeconds": 590}
    settings.write_text(yaml.safe_dump({"kubernetes": kubernetes, "leader": leader}))
    profiled = ["-m", "cProfile", "-o", str(profile)] if profile else []
    argv = [sys.executable, *profiled, "-m", "schedune_operator", "--settings", str(settings)]
    # What an earlier one said there is not said of this one.
    _log(plane).unlink(missing_ok=True)
    with _process(argv, _log(plane), {}) as process:
        yield process


def _log(plane: ControlPlane) -> Path:
    return plane.layout.folder / "log" / "operator.log"


async def _wait_for(plane: ControlPlane, event: str) -> None:
    deadline = time.monotonic() + 120
    while event not in _log(plane).read_text(errors="replace"):
        if time.monotonic() > deadline:
            raise SystemExit(f"no {event}: {_log(plane).read_text()[-2000:]}")
        await asyncio.sleep(0.1)


async def _measure_alone(admin: KubeClient, count: int) -> None:
    """Apply one workload after another, each when the one before is placed."""
    seen = Seen(admin, VMWORKLOADS, is_scheduled)
    task = asyncio.create_task(seen.mirror.run())
    await seen.mirror.synced.wait()
    took = []
    for number in range(count):
        body = _workload(number)
        name = body["metadata"]["name"] = f"alone-{number:05}"
        started = time.monotonic()
        await admin.create(VMWORKLOADS, body, NAMESPACE)
        await seen.all_of({name})
        took.append(1000 * (seen.when[name] - started))
    task.cancel()
    if len(took) > 1:
        p99 = statistics.quantiles(took, n=100)[98]
        tell("one lone workload: p50 / p99 until Scheduled",
             f"{statistics.median(took):.0f} / {p99:.0f} ms", "p99 <= 250 ms")  # fmt: skip


async def _measure(told: argparse.Namespace, plane: ControlPlane, names: list[str]) -> None:
    credentials = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="schedune-bench") as admin:
        await _furnish(admin, names)
        token = await token_of(admin, None, "schedune-operator")
        argv = await scheduler_argv(plane, admin, _rival()) if not told.no_rival else None
        last = 0 if told.at_rest else told.rounds - 1
        rounds = [
            await _measure_round(told, plane, admin, token, argv, left=last - number)
            for number in range(last + 1)
        ]
        _tell_ratios(rounds)
        if not told.at_rest:
            cpu = await PlaneCpu.measured(plane)
            least = await measure_least(cpu, admin, token)
            if argv:
                rival = statistics.median(one.rival for one in rounds)
                told_as = "the least that two writes can be, against kube-scheduler"
                tell(told_as, f"{least / rival:.2f} x")


@dataclass(frozen=True)
class _Round:
    """What each did a second, one after the other; 0: it was left out."""

    rival: float
    ours: float
    same_writes: float


async def _measure_round(
    told: argparse.Namespace,
    plane: ControlPlane,
    admin: KubeClient,
    token: str,
    argv: list[str] | None,
    *,
    left: int,
) -> _Round:
    """Let all take their turns; with the last round goes what is measured once."""
    cpu = await PlaneCpu.measured(plane)
    await clear(cpu, admin)
    rival = await _measure_rival(told, cpu, admin, argv) if argv else 0.0
    ours, rings = await _measure_ours(told, cpu, admin, token, 0 if left else told.alone)
    if not left:
        await _measure_restart(plane, admin, token)
    same = 0.0 if told.at_rest else await measure_again(cpu, admin, token, rings)
    return _Round(rival, ours, same)


def _tell_ratios(rounds: Sequence[_Round]) -> None:
    for whom, bound, ratios in (
        ("kube-scheduler", ">= 1.0 x", [one.ours / one.rival for one in rounds if one.rival]),
        ("the same writes alone", ">= 0.7 x",
         [one.ours / one.same_writes for one in rounds if one.same_writes]),
    ):  # fmt: skip
        if ratios:
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            told = f"{statistics.median(ratios):.2f} x ({spread})"
            tell(f"operator against {whom}, median of {len(ratios)}", told, bound)


def _rival() -> Path:
    return toolchain.find_node_binaries() / "kube-scheduler"


def main() -> None:
    """Print the table."""
    told = _parse()
    end_in_order_on_sigterm()
    if not told.no_rival:
        # Built if need be, which takes minutes: not beside what is measured.
        _rival()
    tell_machine("at the start")
    with tempfile.TemporaryDirectory(prefix="schedune-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "control-plane").mkdir()
        plane = stack.enter_context(running_control_plane(folder / "control-plane"))
        facts_file, tokens, names = folder / "facts.json", folder / "tokens", names_of(told.nodes)
        tokens.mkdir(mode=0o700)
        kernel = {**facts("n")["artifacts"][0], "name": "linux"}
        status = facts("n", artifacts=[kernel], capacity=_CAPACITY, disks=_DISKS)
        truth = {"apiVersion": "schedune.io/v1alpha1", "kind": "NodeTruth",
                 "metadata": {"name": "n"}, "status": status}  # fmt: skip
        facts_file.write_text(json.dumps(truth))
        asyncio.run(make(plane, names, tokens))
        agents = agents_of(plane, names, tokens, settings_in(folder), facts_file)
        fleet = stack.enter_context(replaying(told, agents, folder))
        await_truths(plane, fleet, told.nodes)
        tell("replayed nodes that publish and beat", f"{told.nodes}")
        asyncio.run(_measure(told, plane, names))
        fleet.check_alive()
        tell_machine("at the end")


if __name__ == "__main__":
    main()
