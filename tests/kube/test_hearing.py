"""How often an agent lists its placements: seldom only while it hears the bell of its node."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest

from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import NAMESPACE, CalledMirror, Rings, bell_name
from schedune_kube.errors import ApiError, ApiUnavailableError, ForbiddenError, NoAnswerError
from schedune_kube.resources import CONFIGMAPS, VMPLACEMENTS, Resource

OFTEN_S: Final = 0.1
SELDOM_S: Final = 3600.0
DEAF_AFTER_S: Final = 0.4
REFUSED: Final = ForbiddenError("403: configmaps is forbidden")
RUNG: Final = Rings().rung([("default", "gone")]).render()


class Server:
    """Answers for the bell as it is told to, and counts the lists of placements."""

    def __init__(self, data: dict[str, str] | None = None) -> None:
        self.data = data
        """What the bell says; None: there is none."""
        self.error: ApiError | None = None
        """What whoever asks for bells is told instead."""
        self.version = 1
        self.lists = 0

    def hang(self, data: dict[str, str]) -> None:
        self.data, self.version = data, self.version + 1

    async def list(self, resource: Resource, *_: object, **__: object) -> tuple[list[Raw], str]:
        if resource is VMPLACEMENTS:
            self.lists += 1
            return [], str(self.version)
        self._refuse()
        return [self._bell()] if self.data is not None else [], str(self.version)

    async def watch(self, resource: Resource, *_: object, **options: Any) -> AsyncIterator[Raw]:
        assert resource is CONFIGMAPS
        seen = int(options["resource_version"])
        while True:
            self._refuse()
            if self.version > seen:
                seen = self.version
                yield {"type": "MODIFIED", "object": self._bell()}
            await asyncio.sleep(0.01)

    async def get(self, *_: object) -> Raw:
        return {"metadata": {"name": "gone", "namespace": "default"}, "spec": {"nodeName": "other"}}

    def _refuse(self) -> None:
        if self.error is not None:
            raise self.error

    def _bell(self) -> Raw:
        names = {"name": bell_name("node"), "namespace": NAMESPACE}
        return {"metadata": names | {"resourceVersion": str(self.version)}, "data": self.data}


@pytest.fixture
async def lists_in(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Start a mirror of what a server holds; then tell how often it lists within a while."""
    monkeypatch.setattr("schedune_kube.doorbell._DEAF_AFTER_S", DEAF_AFTER_S)
    tasks: dict[int, asyncio.Task[None]] = {}

    async def lists_in(server: Server, seconds: float) -> int:
        if id(server) not in tasks:
            mirror = CalledMirror(
                cast("KubeClient", server),
                "node",
                on_change=lambda _key, _raw: None,
                list_s=SELDOM_S,
                list_without_bell_s=OFTEN_S,
            )
            tasks[id(server)] = asyncio.create_task(mirror.run())
            await asyncio.wait_for(mirror.synced.wait(), 10)
        before = server.lists
        await asyncio.sleep(seconds)
        return server.lists - before

    yield lists_in
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_who_hears_its_bell_lists_seldom(lists_in: Any) -> None:
    server = Server(RUNG)
    assert await lists_in(server, 1.0) == 0


@pytest.mark.parametrize("data", [None, {}, {"rings": "[]"}], ids=["none", "empty", "not rung"])
async def test_who_has_no_bell_that_rang_lists_often_until_it_hears_one(
    lists_in: Any, data: dict[str, str] | None
) -> None:
    server = Server(data)
    assert await lists_in(server, 1.0) > 1
    server.hang(RUNG)
    await asyncio.sleep(3 * OFTEN_S)
    assert await lists_in(server, 1.0) == 0


@pytest.mark.parametrize(
    "error", [REFUSED, ApiUnavailableError("500: it cannot be decoded")], ids=["403", "500"]
)
async def test_who_is_refused_its_bell_for_long_lists_often_until_it_may_look_again(
    lists_in: Any, error: ApiError
) -> None:
    """The shipped net of half an hour would show it a new placement as late as that."""
    server = Server(RUNG)
    assert await lists_in(server, 0.3) == 0
    server.error = error
    await asyncio.sleep(DEAF_AFTER_S)
    assert await lists_in(server, 1.5) > 1
    server.error = None
    await asyncio.sleep(4.0)  # the longest pause between two looks at the bell by now
    assert await lists_in(server, 1.0) == 0


async def test_who_cannot_read_its_bell_any_more_lists_often(lists_in: Any) -> None:
    server = Server(RUNG)
    assert await lists_in(server, 0.3) == 0
    server.hang({"rings": "{"})
    assert await lists_in(server, 1.0) > 1


async def test_an_outage_makes_nobody_list_more_than_it_would(lists_in: Any) -> None:
    """A fleet that lists all placements as soon as the server is back would end it anew."""
    server = Server(RUNG)
    assert await lists_in(server, 0.3) == 0
    server.error = NoAnswerError("GET /api/v1/configmaps: refused")
    assert await lists_in(server, 3 * DEAF_AFTER_S) == 0
