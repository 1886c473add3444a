"""What the operator does about heartbeats and truths, timed, with the operator's own rights."""

import json
import time
from collections.abc import Awaitable
from typing import TypeVar

from counters import read_counters
from table import tell

from schedune.api.nodetruth import NodeTruth
from schedune_kube.client import KubeClient, Raw
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import LEASES, NODETRUTHS
from schedune_operator.leases import LEASE_NAMESPACE, read_leases
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane

T = TypeVar("T")


async def look_as_the_operator(plane: ControlPlane) -> None:
    """Print how long a poll of all Leases and a list of all truths take, and their sizes."""
    admin = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(admin, field_manager="schedune-bench") as client:
        token = await token_of(client, None, account="schedune-operator")
    async with KubeClient(bearing(plane, token), field_manager="schedune-operator") as client:
        for which in ("first", "next"):
            poll = client.read_list(LEASES, read_leases, LEASE_NAMESPACE, resource_version="0")
            await _timed(plane, f"operator: {which} poll of all Leases", "leases", poll)
        truths, _ = await _timed(
            plane, "operator: list of all truths, paged", "nodetruths", client.list(NODETRUTHS)
        )
        _tell_parsing(truths)


async def _timed(plane: ControlPlane, what: str, resource: str, act: Awaitable[T]) -> T:
    """Do it, and print its time and what the API server sent for it."""
    before = _sent(plane, resource)
    started = time.perf_counter()
    result = await act
    took = time.perf_counter() - started
    size = (_sent(plane, resource) - before) / 1e6
    tell(what, f"{took * 1000:.0f} ms / {size:.2f} MB", "as sent, compressed")
    return result


def _sent(plane: ControlPlane, resource: str) -> float:
    return read_counters(plane).api_server(
        "apiserver_response_sizes_sum", resource={resource}, verb={"LIST"}
    )


def _tell_parsing(truths: list[Raw]) -> None:
    size = sum(len(json.dumps(one, separators=(",", ":"))) for one in truths) / 1e6
    started = time.perf_counter()
    for one in truths:
        NodeTruth.model_validate(one)
    took = time.perf_counter() - started
    tell(f"operator: reading {len(truths)} truths", f"{took * 1000:.0f} ms / {size:.2f} MB", "JSON")
