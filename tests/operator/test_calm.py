"""A node that is passed over has no news: whoever looks at every node would tell the same."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.events import QueuedEvents, Subject
from schedune_kube.resources import LEASES
from schedune_operator.freshness import observe
from schedune_operator.leases import Lease
from schedune_operator.outage import OutageWatch
from schedune_operator.truths import MOST_WRITES, Pending, TruthJudge
from schedune_operator.world import World
from schedune_testing.seen import recorded_nodes

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNT = 3


@dataclass
class Story:
    """Some nodes, and a judge that remembers at which of them there was nothing to be seen."""

    count: int = COUNT
    moment: float = 1000.0
    version: int = 0
    leases: dict[str, Lease] = field(default_factory=dict)

    def __post_init__(self) -> None:
        client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
        self.world = World(client, lambda: None, lambda _: {}, self.clock, lambda: self.moment)
        self.client = client
        objects = recorded_nodes(self.count)
        self.nodes, self.truths = objects[::2], objects[1::2]
        for raw in self.nodes:
            raw["metadata"]["uid"] = f"uid-{raw['metadata']['name']}"
        for number in range(self.count):
            self.change(self.nodes[number])
            self.change(self.truths[number])
            for _ in range(2):  # of a Lease seen for the first time nobody knows how old it is
                self.beat(number, self.truths[number]["status"]["digest"])
        self.judge = self.new_judge()

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.moment)

    def new_judge(self) -> TruthJudge:
        return TruthJudge(
            client=self.client,
            world=self.world,
            events=QueuedEvents(self.client, "test", self.clock, lambda: False),
            clock=self.clock,
            leading=lambda: True,
            lease=Subject(LEASES, "test", "test", ""),
            deaf_after_s=50,
            expire_s=900,
            outage=OutageWatch(10, 900),
            drain=lambda _: f"drained at {self.moment}",
        )

    def change(self, raw: dict[str, Any]) -> None:
        """Let the mirrors hold an object as it is now."""
        self.version += 1
        raw["metadata"]["resourceVersion"] = str(self.version)
        raw["metadata"].setdefault("uid", f"uid-{raw['metadata']['name']}")
        mirror = self.world.nodes if raw["kind"] == "Node" else self.world.truths
        mirror.absorb(copy.deepcopy(raw))

    def beat(self, number: int, digest: str) -> None:
        """Let a node's heartbeat vouch for facts."""
        self.version += 1
        name = self.nodes[number]["metadata"]["name"]
        vouched = {"schedune.io/truth-digest": digest}
        metadata = {"name": name, "resourceVersion": str(self.version), "annotations": vouched}
        raw = {"metadata": metadata, "spec": {"leaseDurationSeconds": 180}}
        self.leases[name] = msgspec.convert(raw, Lease)
        known = self.world.heartbeats._known
        seen = observe(known, self.leases.values(), self.moment, None)
        self.world.heartbeats._known = seen

    def look(self) -> None:
        """Let both look, and write on some of the truths what they would."""
        mine, other = asyncio.run(self.judge.look()), asyncio.run(self.new_judge().look())
        told = [[(one.node.name, one.claims) for one in seen] for seen in (mine, other)]
        assert told[0] == told[1]
        for one in mine:
            (truth,) = [t for t in self.truths if t["metadata"]["name"] == one.node.name]
            truth["status"]["conditions"] = [
                {
                    "type": kind, "status": claim.status, "reason": claim.row.reason,
                    "message": claim.message, "lastTransitionTime": "2026-11-24T12:00:00Z",
                }
                for kind, claim in one.claims.items()
            ]  # fmt: skip
            self.change(truth)


def time_passes(seconds: float) -> Callable[[Story], None]:
    def step(story: Story) -> None:
        story.moment += seconds

    return step


def node_beats(number: int, digest: str) -> Callable[[Story], None]:
    return lambda story: story.beat(number, digest or story.truths[number]["status"]["digest"])


def cordon(number: int, *, on: bool) -> Callable[[Story], None]:
    def step(story: Story) -> None:
        story.nodes[number]["spec"] = {"unschedulable": on}
        story.change(story.nodes[number])

    return step


def truth_is_another(number: int, scheduling: str, digest: str) -> Callable[[Story], None]:
    def step(story: Story) -> None:
        truth = story.truths[number]
        truth["spec"] = {"scheduling": scheduling}
        truth["status"]["digest"] = digest or truth["status"]["digest"]
        story.change(truth)

    return step


NUMBERS = st.integers(0, COUNT - 1)
DIGESTS = st.sampled_from(["", "sha256:a", "sha256:b"])
STEPS = st.one_of(
    st.sampled_from([1.0, 9.0, 60.0, 89.0, 92.0, 179.0, 181.0, 950.0]).map(time_passes),
    st.builds(node_beats, NUMBERS, DIGESTS),
    st.builds(cordon, NUMBERS, on=st.booleans()),
    st.builds(
        truth_is_another, NUMBERS, st.sampled_from(["Enabled", "Cordoned", "Draining"]), DIGESTS
    ),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_a_judge_that_passes_calm_nodes_over_tells_what_one_that_looks_at_all_would(
    steps: list[Callable[[Story], None]],
) -> None:
    story = Story()
    story.look()
    for step in steps:
        step(story)
        story.look()


def test_a_fleet_that_beats_is_calm_until_it_falls_silent() -> None:
    story = Story()
    story.look()
    story.look()
    assert len(story.judge._calm) == COUNT
    story.moment += 179
    story.look()
    assert len(story.judge._calm) == COUNT
    story.moment += 2
    story.look()
    assert not story.judge._calm
    assert [t["status"]["conditions"][0]["status"] for t in story.truths] == ["False"] * COUNT


async def test_of_many_that_wait_to_be_told_all_have_their_turn_whatever_becomes_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing can be written here, so that everybody still waits in the next pass."""
    story = Story(count=3 * MOST_WRITES - 1)
    judge, told = story.new_judge(), list[str]()

    async def fails(one: Pending) -> None:
        told.append(one.node.name)

    monkeypatch.setattr(judge, "_write", fails)
    for _ in range(3):
        assert await judge.judge()
    assert len(told) == 3 * MOST_WRITES
    assert set(told) == {raw["metadata"]["name"] for raw in story.nodes}


async def test_who_was_deaf_while_another_led_gives_the_nodes_time_to_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An outage of the API server first takes the leadership, and then makes us deaf."""
    story, told = Story(), list[str]()
    await asyncio.to_thread(story.look)
    judge, beats = story.judge, story.world.heartbeats
    async with deaf_standby(story, told, monkeypatch):
        await asyncio.sleep(0.05)
        beats._looked_at, judge.leading = story.moment, lambda: True
        await asyncio.sleep(0.05)
        assert told == [], "silent, but nobody could be heard"
        story.moment += 179
        beats._looked_at = story.moment
        await asyncio.sleep(0.05)
        assert told == [], "it may not have had the time to call"
        story.moment += 2
        beats._looked_at = story.moment
        await asyncio.sleep(0.05)
    assert set(told) == {raw["metadata"]["name"] for raw in story.nodes}


async def test_who_is_slow_to_call_after_our_deafness_is_no_silence_of_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Most have called before we look again: those who have not are as few as dead nodes."""
    story, told = Story(12), list[str]()
    await asyncio.to_thread(story.look)
    judge, beats = story.judge, story.world.heartbeats
    async with deaf_standby(story, told, monkeypatch):
        await asyncio.sleep(0.05)
        for number in range(8):
            story.beat(number, story.truths[number]["status"]["digest"])
        beats._looked_at, judge.leading = story.moment, lambda: True
        await asyncio.sleep(0.05)
        assert len(judge.outage.withheld) == 4
        for _ in range(11):
            story.moment += 40
            for number in range(8):
                story.beat(number, story.truths[number]["status"]["digest"])
            beats._looked_at = story.moment
            await asyncio.sleep(0.05)
    assert set(told) == {raw["metadata"]["name"] for raw in story.nodes[8:]}


@asynccontextmanager
async def deaf_standby(
    story: Story, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Run a judge that does not lead, 200 s after it last could look at heartbeats."""
    judge, world = story.judge, story.world
    judge.leading = lambda: False

    async def notes(one: Pending) -> None:
        told.append(one.node.name)

    monkeypatch.setattr(judge, "_write", notes)
    for synced in world._synced():
        synced.set()
    running = asyncio.create_task(judge.run(0.001))
    story.moment += 200
    try:
        yield
    finally:
        running.cancel()
