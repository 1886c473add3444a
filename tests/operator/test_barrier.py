"""What a leader waits for and looks at before it writes, in a new term and in one that goes on."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from schedune.fleet.node import ClaimRecord
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_operator.cache import WorkloadCache
from schedune_operator.loop import SchedulingLoop
from schedune_operator.settings import LeaderSettings, OperatorSettings
from schedune_operator.world import World
from schedune_testing.nodes import NOW, node

KEY = ("default", "vm")
MARGIN_S = 0.2
TIMES = LeaderSettings(
    duration_seconds=2, renew_deadline_seconds=1, retry_seconds=0.2, margin_seconds=MARGIN_S
)
LOOKS = ("nodes", "truths", "placements", "heartbeats")


@dataclass
class Term:
    """What of an elector the barrier asks for."""

    epoch: int = 7
    succeeds: bool = False
    acquired_at: float = field(default_factory=time.monotonic)

    async def wait_until_leading(self) -> None:
        """Lead, or have been renewed too late and lead again."""

    def leading(self) -> bool:
        return True


class Threshold:
    """A loop before its barrier, whose mirrors answer when they are told to."""

    def __init__(self, term: Term) -> None:
        client = KubeClient(Credentials("https://nowhere.invalid"), field_manager="test")
        cache = WorkloadCache()
        self.world = World(client, lambda: None, cache.peer_of, lambda: NOW)
        self.world.fleet().update(node("node-1"))
        self.asked: dict[str, float] = {}
        """Since when each of the mirrors had to have looked."""
        self.answers = asyncio.Event()
        self.answers.set()
        world: Any = self.world
        for name in LOOKS[:3]:
            getattr(world, name).listed_since = self._asked_for(name)
        world.heartbeats.looked_since = self._asked_for("heartbeats")
        for one in self.world._synced():
            one.set()
        nobody: Any = _Silent()
        self.loop = SchedulingLoop(
            client, OperatorSettings(leader=TIMES), cache, self.world, _as_any(term),
            nobody, nobody, nobody, nobody, nobody, lambda: NOW,
        )  # fmt: skip
        self.loop._sweep = self._swept  # type: ignore[method-assign]

    async def _swept(self) -> None:
        """Do as a list of the workloads does."""

    def _asked_for(self, name: str) -> Callable[[float], Any]:
        async def looked(moment: float) -> None:
            self.asked[name] = moment
            await self.answers.wait()

        return looked

    def claimed_vcpus(self) -> int:
        return sum(one.vcpus for one in self.world.fleet().claims.held.values())


class _Silent:
    """Takes whatever it is told; as a fence it lets nothing through for want of margin."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self, *_arguments: Any) -> None:
        return None

    def __len__(self) -> int:
        return 0


def _as_any(found: Any) -> Any:
    return found


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - many different things are waited for
            await asyncio.sleep(0.001)


async def test_a_term_that_was_handed_over_in_order_begins_at_once() -> None:
    term = Term()
    threshold = Threshold(term)
    await threshold.loop._cross_barrier()
    assert threshold.asked == dict.fromkeys(LOOKS, term.acquired_at)


async def test_who_follows_another_lets_his_writes_land_and_looks_after_that() -> None:
    threshold = Threshold(Term(succeeds=True))
    began = time.monotonic()
    await threshold.loop._cross_barrier()
    assert min(threshold.asked.values()) >= began + MARGIN_S


async def test_who_goes_on_after_a_late_renewal_lets_his_own_writes_land_and_looks_after_that() -> (
    None
):
    """A create that was cancelled when he stopped may still be made: what it claims counts."""
    threshold = Threshold(Term(acquired_at=time.monotonic() - 3600))
    leading = asyncio.create_task(threshold.loop.run())
    await until(lambda: threshold.loop._opened > 0)
    began = time.monotonic()
    threshold.asked.clear()
    threshold.answers.clear()
    threshold.world.assume(KEY, ClaimRecord("node-1", "assumed", 8, 2**30))
    await until(lambda: len(threshold.asked) == len(LOOKS))
    assert min(threshold.asked.values()) > began
    assert threshold.claimed_vcpus() == 8, "until it is seen what became of it"
    threshold.answers.set()
    await until(lambda: threshold.claimed_vcpus() == 0)
    leading.cancel()


async def test_who_leads_no_more_counts_nothing_that_only_he_knew_of() -> None:
    """His webhook goes on to answer, by what he counts."""
    threshold = Threshold(Term())
    threshold.world.assume(KEY, ClaimRecord("node-1", "assumed", 8, 2**30))
    threshold.answers.clear()
    leading = asyncio.create_task(threshold.loop.run())
    await until(lambda: len(threshold.asked) == len(LOOKS))
    threshold.loop._leaving = True
    threshold.answers.set()
    await leading
    assert threshold.claimed_vcpus() == 0


@pytest.mark.parametrize("looks", LOOKS)
async def test_nobody_writes_before_every_look_that_began_in_his_term(looks: str) -> None:
    threshold = Threshold(Term())
    world: Any = threshold.world
    never = asyncio.Event()

    async def slow(_moment: float) -> None:
        await never.wait()

    if looks == "heartbeats":
        world.heartbeats.looked_since = slow
    else:
        getattr(world, looks).listed_since = slow
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threshold.loop._cross_barrier(), 0.3)
