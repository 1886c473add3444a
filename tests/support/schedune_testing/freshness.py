"""What Fresh of a node says on a real API server, and what became of a dry run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError, NotFoundError
from schedune_kube.resources import NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_testing.accounts import Object
from schedune_testing.agents import condition, truth_of
from schedune_testing.nodes import workload


async def until(question: Callable[[], Awaitable[object]], limit_s: float = 20.0) -> float:
    """Return after how many seconds the answer was yes."""
    start = time.monotonic()
    while not await question():
        assert time.monotonic() < start + limit_s, "waited in vain"
        await asyncio.sleep(0.05)
    return time.monotonic() - start


async def fresh(admin: KubeClient, name: str) -> Object:
    """Return the condition Fresh; empty where it is not there."""
    return condition(await truth_of(admin, name), "Fresh")


async def becomes(admin: KubeClient, name: str, status: str, limit_s: float = 20.0) -> Object:
    """Return the condition Fresh once it says so."""

    async def says() -> bool:
        return (await fresh(admin, name)).get("status") == status

    await until(says, limit_s)
    return await fresh(admin, name)


class Witness:
    """What Fresh of some nodes has said since the first True, without repetition."""

    def __init__(self) -> None:
        self.heard: dict[str, list[str]] = {}
        self.why: dict[str, list[str]] = {}
        """What was told with it, for whoever reads of a failure."""

    def note(self, truth: Object) -> None:
        """Take in one look at a truth."""
        name, fresh = truth["metadata"]["name"], condition(truth, "Fresh")
        said, told = fresh.get("status"), self.heard.setdefault(name, [])
        if said and told[-1:] != [said] and (told or said == "True"):
            told.append(said)
            self.why.setdefault(name, []).append(fresh["message"])

    async def hears(self, name: str, wanted: list[str]) -> None:
        """Wait until this is what was heard of a node, all of it: a look takes its time."""

        async def heard() -> bool:
            return self.heard.get(name, [])[-1:] == wanted[-1:]

        await until(heard)
        assert self.heard[name] == wanted


@asynccontextmanager
async def witness(admin: KubeClient) -> AsyncIterator[Witness]:
    """Look at all truths many times a second, also while the API server is away."""
    found = Witness()

    async def look() -> None:
        while True:
            with suppress(ApiError):
                for truth in (await admin.list(NODETRUTHS))[0]:
                    found.note(truth)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()


def named(name: str, **spec: Any) -> Object:
    """Return a workload of that name."""
    return {**workload(**spec), "metadata": {"name": name, "namespace": "default"}}


def dry_run(name: str, **spec: Any) -> Object:
    """Return a workload that is placed, and executes nothing."""
    return named(name, launchMode="DryRun", **spec)


async def status_of(admin: KubeClient, name: str) -> Object:
    """Return a workload's status."""
    found = await admin.get(VMWORKLOADS, name, "default")
    return dict(found.get("status") or {})


async def says(
    admin: KubeClient, name: str, kind: str, reason: str, limit_s: float = 20.0
) -> Object:
    """Return a condition of a workload once it has a reason."""
    found: Object = {}

    async def told() -> bool:
        conditions = (await status_of(admin, name)).get("conditions", [])
        found.update(next((one for one in conditions if one["type"] == kind), {}))
        return found.get("reason") == reason

    await until(told, limit_s)
    return found


async def placed_on(admin: KubeClient, node: str, name: str = "vm") -> Object:
    """Return the placement once it is bound to a node."""
    found: Object = {}

    async def is_there() -> bool:
        with suppress(NotFoundError):
            found.update(await admin.get(VMPLACEMENTS, name, "default"))
        return bool(found) and found["spec"]["nodeName"] == node

    await until(is_there)
    return found


async def is_placed(admin: KubeClient, name: str) -> bool:
    """Say whether a workload has a node."""
    return bool((await status_of(admin, name)).get("nodeName"))


async def is_refused(admin: KubeClient, name: str, code: str) -> bool:
    """Say whether nodes refuse a workload by a code."""
    found = (await status_of(admin, name)).get("evaluation", {}).get("codes", [])
    return code in [one["code"] for one in found]
