"""Events on a real API server: when they are told, in which order, and what they say."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schedune_kube import events as events_module
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, ForbiddenError, NoAnswerError, TooManyRequestsError
from schedune_kube.events import EventRecorder, QueuedEvents, Subject
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import EVENTS, VMWORKLOADS
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import until
from schedune_testing.operators import operating

START = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as found:
        yield found


def subject(name: str) -> Subject:
    return Subject(VMWORKLOADS, name, "default", f"uid-of-{name}")


def ticking() -> Iterator[datetime]:
    """Return a clock by which every look is a minute later."""
    moment = START
    while True:
        yield moment
        moment += timedelta(minutes=1)


async def told_of(client: KubeClient, *names: str, at_least: int) -> list[Raw]:
    """Return the Events about these, in the order in which they came."""
    async with asyncio.timeout(20):
        while True:
            items, _ = await client.list(EVENTS, "default")
            found = [one for one in items if one["involvedObject"]["name"] in names]
            if len(found) >= at_least:
                return sorted(found, key=lambda one: int(one["metadata"]["resourceVersion"]))
            await asyncio.sleep(0.05)


async def test_bad_news_goes_first_and_good_news_waits_while_somebody_is_busy(
    client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, clock = asyncio.Event(), ticking()
    monkeypatch.setattr(events_module, "_PAUSE_WHILE_BUSY_S", 2.0)
    busy.set()
    events = QueuedEvents(client, "test", lambda: next(clock), busy.is_set)
    for name in ("good-1", "good-2", "good-3"):
        await events.record(subject(name), "Normal", "Placed", "it has a node")
    await events.record(subject("bad"), "Warning", "NoEligibleNode", "it has none")
    task = asyncio.create_task(events.run())
    names = ("good-1", "good-2", "good-3", "bad")
    found = await told_of(client, *names, at_least=2)
    assert [one["involvedObject"]["name"] for one in found] == ["bad", "good-1"]
    busy.clear()
    found = await told_of(client, *names, at_least=4)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert [one["involvedObject"]["name"] for one in found[2:]] == ["good-2", "good-3"]
    happened = {one["involvedObject"]["name"]: one["firstTimestamp"] for one in found}
    assert happened == {
        "good-1": "2026-11-27T12:00:00Z",
        "good-2": "2026-11-27T12:01:00Z",
        "good-3": "2026-11-27T12:02:00Z",
        "bad": "2026-11-27T12:03:00Z",
    }


async def test_bad_news_ends_the_pause_of_whoever_tells_good_news(
    client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_PAUSE_WHILE_BUSY_S", 60.0)
    events = QueuedEvents(client, "test", lambda: START, lambda: True)
    task = asyncio.create_task(events.run())
    await events.record(subject("pausing"), "Normal", "Placed", "it has a node")
    await told_of(client, "pausing", at_least=1)
    await asyncio.sleep(0.2)
    await events.record(subject("urgent"), "Warning", "NoEligibleNode", "it has none")
    await told_of(client, "urgent", at_least=1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_same_news_is_counted_and_not_told_anew(client: KubeClient) -> None:
    clock = ticking()
    recorder = EventRecorder(client, "test", lambda: next(clock))
    for _ in range(3):
        await recorder.record(subject("again"), "Normal", "Placed", "it has a node")
    (found,) = await told_of(client, "again", at_least=1)
    assert found["count"] == 3
    assert found["firstTimestamp"] == "2026-11-27T12:00:00Z"
    assert found["lastTimestamp"] == "2026-11-27T12:02:00Z"


class Overloaded(KubeClient):
    """A client whose next creates meet a server that cannot take them."""

    errors: list[ApiError]

    async def create(self, *arguments: Any, **options: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return await super().create(*arguments, **options)


@pytest.fixture
async def overloaded(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Overloaded]:
    monkeypatch.setattr(events_module, "_SHORTEST_S", 0.1)
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with Overloaded(credentials, field_manager="test") as found:
        yield found


async def test_what_a_server_cannot_take_now_is_told_later_and_in_its_turn(
    overloaded: Overloaded, client: KubeClient
) -> None:
    """What is worth telling is often what makes the server slow."""
    overloaded.errors = [TooManyRequestsError("429", 0.2), NoAnswerError("timeout")]
    names = [f"later-{number}" for number in range(3)]
    events = QueuedEvents(overloaded, "test", lambda: START, lambda: False)
    task = asyncio.create_task(events.run())
    for name in names:
        await events.record(subject(name), "Warning", "NodeFenced", "the evidence")
    told = await told_of(client, *names, at_least=3)
    assert [one["involvedObject"]["name"] for one in told] == names
    task.cancel()


async def test_what_the_server_refuses_or_can_never_take_is_in_nobodys_way(
    overloaded: Overloaded, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_MOST_TRIES", 2)
    never = [NoAnswerError("500"), NoAnswerError("500")]
    overloaded.errors = [ForbiddenError("403"), *never, NoAnswerError("500")]
    names = ["refused", "never-taken", "taken"]
    events = QueuedEvents(overloaded, "test", lambda: START, lambda: False)
    task = asyncio.create_task(events.run())
    for name in names:
        await events.record(subject(name), "Warning", "NodeFenced", "the evidence")
    (told,) = await told_of(client, *names, at_least=1)
    assert told["involvedObject"]["name"] == "taken"
    task.cancel()


async def test_who_leaves_in_order_tells_what_is_left_first(
    control_plane: ControlPlane, client: KubeClient
) -> None:
    leader = {"durationSeconds": 30, "renewDeadlineSeconds": 20, "marginSeconds": 10}
    names = [f"last-{number}" for number in range(8)]
    async with operating(control_plane, client, leader=leader) as operator:

        async def leads() -> bool:
            return operator.judge.leading()

        await until(leads)
        for name in names:
            await operator.events.record(subject(name), "Normal", "Placed", "it has a node")
        await operator.loop.drain()
        assert not operator.judge.leading()
        told, _ = await client.list(EVENTS, "default")
        assert set(names) <= {one["involvedObject"]["name"] for one in told}
