"""What it costs that agents learn of their placements: by a selector, or by a bell of their own.

VMPlacements are made on a real API server while so many watches are open; what each cost
the server is its own counter of CPU seconds. docs/decisions/0012 tells what follows.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from counters import Counters, read_counters
from rivals import NAMESPACE, in_parallel
from table import mebi, tell, tell_machine

from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import NAMESPACE as BELLS
from schedune_kube.doorbell import Rings, bell_name
from schedune_kube.errors import ApiError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import CONFIGMAPS, VMPLACEMENTS
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.interrupted import end_in_order_on_sigterm
from schedune_testing.manifests import placement

_OPENING: Final = 64


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=2000, help="watches that are open")
    parser.add_argument(
        "--count", type=int, default=1500, help="placements that are made each time"
    )
    return parser.parse_args()


def _placement(number: int, label: str) -> Raw:
    body = placement()
    body["metadata"] = {"name": f"{label}-{number:05}", "namespace": NAMESPACE}
    body["spec"]["nodeName"] = _node(number)
    return body


def _node(number: int) -> str:
    return f"node-{number:05}"


@asynccontextmanager
async def _watching(
    client: KubeClient, agents: int, watch: Callable[[int], dict[str, Any]]
) -> AsyncIterator[None]:
    """Keep a watch open for each agent; whoever is cut off comes back."""
    turns = asyncio.Semaphore(_OPENING)
    _, version = await client.list(VMPLACEMENTS, NAMESPACE)

    async def one(number: int) -> None:
        while True:
            with suppress(ApiError):
                async for _event in client.watch(resource_version=version, **watch(number)):
                    pass

    async def opened(number: int) -> "asyncio.Task[None]":
        async with turns:
            task = asyncio.create_task(one(number))
            await asyncio.sleep(0.1)
            return task

    tasks = await asyncio.gather(*(opened(number) for number in range(agents)))
    try:
        await asyncio.sleep(3)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _make(
    plane: ControlPlane, operator: KubeClient, label: str, told: argparse.Namespace, *, rings: bool
) -> None:
    """Make placements, one after another on all nodes, and ring for each where that is asked."""
    bells: dict[int, Rings] = {}

    async def one(number: int) -> None:
        await operator.create(VMPLACEMENTS, _placement(number, label), NAMESPACE)
        if rings:
            at = number % told.agents
            bells[at] = bells.get(at, Rings()).rung([(NAMESPACE, f"{label}-{number:05}")])
            patch = {"data": bells[at].render()}
            await operator.merge_patch(CONFIGMAPS, bell_name(_node(at)), patch, BELLS)

    before = await asyncio.to_thread(read_counters, plane)
    took = await in_parallel([one(number) for number in range(told.count)])
    after = await asyncio.to_thread(read_counters, plane)
    cpu = _cpu_s(after) - _cpu_s(before)
    tell(f"{label}: placements made a second", f"{told.count / took:.0f} /s")
    tell(f"{label}: CPU of the API server for each", f"{1000 * cpu / told.count:.2f} ms")
    tell(f"{label}: RSS of it", mebi(after.api_server("process_resident_memory_bytes")))


def _cpu_s(counters: Counters) -> float:
    return counters.api_server("process_cpu_seconds_total")


async def _measure(told: argparse.Namespace, plane: ControlPlane) -> None:
    credentials = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="schedune-bench") as admin:
        token = bearing(plane, await token_of(admin, None, "schedune-operator"))
        async with KubeClient(token, field_manager="schedune-operator") as operator:
            await _compare(told, plane, admin, operator)


async def _compare(
    told: argparse.Namespace, plane: ControlPlane, admin: KubeClient, operator: KubeClient
) -> None:
    await _make(plane, operator, "nobody", told, rings=False)

    def by_selector(number: int) -> dict[str, Any]:
        return {"resource": VMPLACEMENTS, "field_selector": f"spec.nodeName={_node(number)}"}

    async with _watching(admin, told.agents, by_selector):
        await _make(plane, operator, "selector", told, rings=False)

    async def make_bell(number: int) -> None:
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        body = {**kind, "metadata": {"name": bell_name(_node(number))}, "data": Rings().render()}
        await admin.create(CONFIGMAPS, body, BELLS)

    await in_parallel([make_bell(number) for number in range(told.agents)])

    def by_name(number: int) -> dict[str, Any]:
        selector = f"metadata.name={bell_name(_node(number))}"
        return {"resource": CONFIGMAPS, "namespace": BELLS, "field_selector": selector}

    async with _watching(admin, told.agents, by_name):
        await _make(plane, operator, "bells-not-rung", told, rings=False)
        await _make(plane, operator, "bells-rung", told, rings=True)


def main() -> None:
    """Print the table."""
    told = _parse()
    end_in_order_on_sigterm()
    tell_machine("at the start")
    tell("agents that watch", f"{told.agents}")
    with (
        tempfile.TemporaryDirectory(prefix="schedune-bench-") as name,
        running_control_plane(Path(name)) as plane,
    ):
        asyncio.run(_measure(told, plane))
    tell_machine("at the end")


if __name__ == "__main__":
    main()
