"""What two writes a workload allow at best: a client that writes and decides nothing.

Once with what the operator wrote, word for word; once with the least that could be written
instead: the same placements, and statuses that name their node and nothing more.
"""

import asyncio
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from counters import read_counters
from plane_cpu import PlaneCpu, tell_plane
from rivals import NAMESPACE, in_parallel
from table import tell

from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import NAMESPACE as BELLS
from schedune_kube.reflector import Reflector
from schedune_kube.resources import CONFIGMAPS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import bearing

_NOT_THE_CLUSTERS: Final = "metadata.name!=kube-root-ca.crt"


async def measure_again(cpu: PlaneCpu, admin: KubeClient, token: str, rings: int) -> float:
    """Write again what the operator wrote, word for word; return workloads a second.

    It rang bells meanwhile: as many are rung.
    """
    placements, workloads = await _written(admin)
    whole = {one["metadata"]["name"]: one["status"] for one in workloads}
    sizes = (_median_size([one["spec"] for one in placements]), _median_size([*whole.values()]))
    tell("placement's spec / workload's status, bytes", "{:.0f} / {:.0f}".format(*sizes))
    who = "the same writes with nothing to decide"
    return await _measure(who, cpu, admin, token, placements, workloads, whole, rings)


async def measure_least(cpu: PlaneCpu, admin: KubeClient, token: str) -> float:
    """Write the least instead; return the same."""
    placements, workloads = await _written(admin)
    least = {
        one["metadata"]["name"]: {
            part: one["status"][part] for part in ("nodeName", "observedGeneration")
        }
        for one in workloads
    }
    who = "the least writes: statuses of a node's name"
    return await _measure(who, cpu, admin, token, placements, workloads, least, rings=0)


async def clear(cpu: PlaneCpu, admin: KubeClient) -> None:
    """Delete all placements and workloads, with nothing left to the garbage collector."""
    _, workloads = await _written(admin)
    await in_parallel([_delete(admin, one["metadata"]["name"]) for one in workloads])
    await cpu.calm()


async def _written(admin: KubeClient) -> tuple[list[Raw], list[Raw]]:
    placements, _ = await admin.list(VMPLACEMENTS, NAMESPACE)
    workloads, _ = await admin.list(VMWORKLOADS, NAMESPACE)
    return placements, workloads


async def _measure(
    who: str,
    cpu: PlaneCpu,
    admin: KubeClient,
    token: str,
    placements: Sequence[Raw],
    workloads: Sequence[Raw],
    statuses: Mapping[str, Raw],
    rings: int,
) -> float:
    await clear(cpu, admin)
    again = [
        _body(one, {"name": one["metadata"]["name"], "namespace": NAMESPACE}) for one in workloads
    ]
    await in_parallel([admin.create(VMWORKLOADS, one, NAMESPACE) for one in again])
    watches = [Reflector(admin, kind) for kind in (VMWORKLOADS, VMPLACEMENTS)]
    tasks = [asyncio.create_task(one.run()) for one in watches]
    for one in watches:
        await one.synced.wait()
    made = {key[1]: raw["metadata"] for key, raw in watches[0].store.items()}
    bells, _ = await admin.list(CONFIGMAPS, BELLS, field_selector=_NOT_THE_CLUSTERS)
    since, writer = read_counters(cpu.plane), bearing(cpu.plane, token)
    async with KubeClient(writer, field_manager="schedune-operator") as client:
        work = [_place(client, one, made, statuses) for one in placements]
        # Among the others, as they were rung; what is measured ends with the last of all.
        every = max(1, len(work) // rings) if rings else 0
        for number in range(rings):
            at = min(number * (every + 1), len(work))
            work.insert(at, _ring(client, bells[number % len(bells)], number // len(bells)))
        took = await in_parallel(work)
    for task in tasks:
        task.cancel()
    rate = len(placements) / took
    tell(who, f"{rate:.0f} /s")
    tell_plane(cpu.beyond_rest(since), len(placements))
    return rate


async def _place(
    client: KubeClient, placement: Raw, made: Mapping[str, Raw], statuses: Mapping[str, Raw]
) -> None:
    """Make a placement and tell its workload so."""
    name = placement["metadata"]["name"]
    owner = {**placement["metadata"]["ownerReferences"][0], "uid": made[name]["uid"]}
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "finalizers": placement["metadata"].get("finalizers", []),
        "ownerReferences": [owner],
    }
    await client.create(VMPLACEMENTS, _body(placement, metadata), NAMESPACE)
    version = {"resourceVersion": made[name]["resourceVersion"]}
    patch = {"metadata": version, "status": statuses[name]}
    await client.merge_patch(VMWORKLOADS, name, patch, NAMESPACE, subresource="status")


async def _ring(client: KubeClient, bell: Raw, lap: int) -> None:
    """Ring a bell once more: it says what it said, and is another text."""
    data = {"rings": bell["data"]["rings"] + " " * (1 + lap)}
    await client.merge_patch(CONFIGMAPS, bell["metadata"]["name"], {"data": data}, BELLS)


async def _delete(admin: KubeClient, name: str) -> None:
    await admin.merge_patch(VMPLACEMENTS, name, {"metadata": {"finalizers": None}}, NAMESPACE)
    await admin.delete(VMPLACEMENTS, name, NAMESPACE)
    await admin.delete(VMWORKLOADS, name, NAMESPACE)


def _body(like: Raw, metadata: Raw) -> Raw:
    """Return a new object of the kind and the spec of another."""
    return {key: like[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}


def _median_size(values: Sequence[Raw]) -> float:
    return statistics.median(len(json.dumps(one)) for one in values)
