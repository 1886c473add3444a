"""What an operator costs that is left alone, with all VMs running."""

import asyncio
import time
from typing import Final

import psutil
from counters import read_counters
from rivals import NAMESPACE, in_parallel
from seen import Seen, is_ready
from table import mebi, share, tell

from schedune_kube.client import KubeClient, Raw
from schedune_kube.resources import NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.control_plane import ControlPlane

_SETTLE_S: Final = 30.0
_LONGEST_SETTLE_S: Final = 1800.0
"""10,000 nodes were told that they are fresh at some 12 a second: in a quarter of an hour."""
_REST_S: Final = 60.0
_HEARD_S: Final = 5.0
"""After this the API server has heard that a policy is gone."""
_WRITES: Final = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}


async def measure_at_rest(plane: ControlPlane, admin: KubeClient, process: psutil.Process) -> None:
    """Say of every VM that it runs, as its agent would, and leave the operator alone."""
    # Only its own agent may say that, and no agent is here: a replayed node publishes facts.
    plane.kubectl("delete", "validatingadmissionpolicybinding", "schedune-status-writers")
    await asyncio.sleep(_HEARD_S)
    placements, _ = await admin.list(VMPLACEMENTS, NAMESPACE)
    names = {one["metadata"]["name"] for one in placements}
    seen = Seen(admin, VMWORKLOADS, is_ready)
    task = asyncio.create_task(seen.mirror.run())
    runs = {"status": {"state": "Running"}}
    await in_parallel(
        [admin.merge_patch(VMPLACEMENTS, one, runs, NAMESPACE, subresource="status")
         for one in sorted(names)]
    )  # fmt: skip
    await seen.all_of(names)
    task.cancel()
    await _settled(plane, admin)
    first, cpu = read_counters(plane), process.cpu_times()
    await asyncio.sleep(_REST_S)
    last, now = read_counters(plane), process.cpu_times()
    used = now.user + now.system - cpu.user - cpu.system
    requests = "apiserver_request_total"
    writes = last.api_server(requests, verb=_WRITES) - first.api_server(requests, verb=_WRITES)
    tell(f"{len(names)} VMs run: operator, CPU of a core", share(used, _REST_S), "<= 5 %")
    tell(f"{len(names)} VMs run: operator, RSS", mebi(process.memory_info().rss))
    tell("all writes to the API server", f"{writes / _REST_S:.0f} /s", "<= 200 /s")


async def _settled(plane: ControlPlane, admin: KubeClient) -> None:
    """Wait until no workload is told anything and every node is told that it is fresh.

    Nodes are told at a bounded rate, and some were late in all this work.
    """
    told, before, deadline = -1.0, -2.0, time.monotonic() + _LONGEST_SETTLE_S
    while told != before or not await _are_all_fresh(admin):
        if time.monotonic() > deadline:
            raise SystemExit(f"not at rest after {_LONGEST_SETTLE_S:g} s")
        await asyncio.sleep(_SETTLE_S)
        before, requests = told, "apiserver_request_total"
        counters = read_counters(plane)
        told = counters.api_server(requests, verb={"PATCH"}, resource={VMWORKLOADS.plural})


async def _are_all_fresh(admin: KubeClient) -> bool:
    def brief(truth: Raw) -> Raw:
        return {one["type"]: one["status"] for one in truth["status"].get("conditions") or ()}

    truths, _ = await admin.list(NODETRUTHS, remember=brief)
    return all(one.get("Fresh") == "True" for one in truths)
