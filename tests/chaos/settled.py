"""What must hold of the objects alone when everything has come to rest."""

from collections import defaultdict
from collections.abc import Iterator

from node_players import VCPUS

from schedune_kube.client import KubeClient
from schedune_kube.resources import VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import Object

NAMESPACE = "default"
IMPOSSIBLE = "impossible"
"""A label of workloads that no node can ever run."""


async def problems(admin: KubeClient, nodes: list[str]) -> list[str]:
    """Return everything that does not hold (yet)."""
    workloads, _ = await admin.list(VMWORKLOADS, NAMESPACE)
    placements, _ = await admin.list(VMPLACEMENTS, NAMESPACE)
    held = held_on(placements)
    free = max((VCPUS - held[name] for name in nodes), default=0)
    found = [f"{name} holds {held[name]} of {VCPUS} vCPUs" for name in nodes if held[name] > VCPUS]
    by_name = {one["metadata"]["name"]: one for one in placements}
    uids = {one["metadata"]["uid"] for one in workloads}
    found += [
        f"placement {one['metadata']['name']} is of a workload that is gone"
        for one in placements
        if one["spec"]["workload"]["uid"] not in uids
    ]
    for one in workloads:
        placed = by_name.get(one["metadata"]["name"])
        found += [f"{one['metadata']['name']}: {what}" for what in _wrong(one, placed, free)]
    return found


def held_on(placements: list[Object]) -> dict[str, int]:
    """Return the vCPUs that placements hold on each node."""
    held: dict[str, int] = defaultdict(int)
    for one in placements:
        if not (one.get("status") or {}).get("ended"):
            held[one["spec"]["nodeName"]] += int(one["spec"]["claim"]["vcpus"])
    return held


def _wrong(workload: Object, placed: Object | None, free: int) -> Iterator[str]:
    status = workload.get("status") or {}
    told = {one["type"]: one for one in status.get("conditions", [])}
    scheduled = told.get("Scheduled", {})
    attempts = [one["attempt"] for one in status.get("history", [])]
    if len(set(attempts)) != len(attempts):
        yield f"its history has an attempt twice: {attempts}"
    if scheduled.get("observedGeneration") != workload["metadata"]["generation"]:
        yield f"its generation is not told of: {scheduled.get('reason')}"
    elif placed is not None:
        if status.get("placementUID") != placed["metadata"]["uid"]:
            yield "its status names another placement"
        if scheduled.get("status") != "True":
            yield f"it has a placement, and is told to be {scheduled.get('reason')}"
    else:
        yield from _wrong_unplaced(workload, scheduled.get("reason"), free)


def _wrong_unplaced(workload: Object, reason: str | None, free: int) -> Iterator[str]:
    evaluation = workload["status"].get("evaluation") or {}
    if reason != "NoEligibleNode" or not evaluation.get("codes"):
        yield f"it is neither placed nor explained: {reason}"
    elif IMPOSSIBLE not in workload["metadata"].get("labels", {}):
        wanted = workload["spec"]["resources"]["vcpus"]
        if wanted <= free:
            yield f"it wants {wanted} vCPUs and waits, while a node has {free}"
