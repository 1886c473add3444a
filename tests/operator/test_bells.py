"""When a bell is rung that nobody heard, and what is owed while nobody may ring."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from schedune_operator import bells as bells_module
from schedune_operator.bells import Bells
from schedune_testing.manifests import placement as a_placement

KEY, NODE = ("default", "vm"), "node-1"


class Tower(Bells):
    """Bells that say which were rung."""

    def __init__(self, store: dict[Any, Any]) -> None:
        self.leads = True
        self.rung: list[tuple[str, tuple[Any, ...]]] = []
        world: Any = SimpleNamespace(placements=SimpleNamespace(store=store))
        nobody: Any = None
        super().__init__(nobody, world, lambda: self.leads)  # type: ignore[arg-type]

    async def _ring(self, node_name: str, keys: dict[Any, None]) -> None:
        self.rung.append((node_name, tuple(keys)))


def waiting() -> Any:
    """Return a placement that its agent has not taken up."""
    raw = a_placement()
    raw["metadata"] |= {"uid": "p", "generation": 1}
    raw["spec"]["nodeName"] = NODE
    return raw


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - many different things are waited for
            await asyncio.sleep(0.005)


@pytest.fixture
async def tower(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tower]:
    monkeypatch.setattr(bells_module, "_UNHEARD_S", 0.3)
    monkeypatch.setattr(bells_module, "_RETRY_S", 0.05)
    found = Tower({KEY: waiting()})
    task = asyncio.create_task(found.run())
    yield found
    task.cancel()


def heard(tower: Tower) -> int:
    return sum(KEY in keys for _, keys in tower.rung)


async def test_an_agent_that_did_not_hear_is_rung_again_though_others_are_rung_all_the_time(
    tower: Tower,
) -> None:
    async def change_others() -> None:
        number = 0
        while True:
            number += 1
            tower._pending["node-2"][("default", f"other-{number}")] = None
            tower._awake.set()
            await asyncio.sleep(0.02)

    busy = asyncio.create_task(change_others())
    await until(lambda: heard(tower) >= 2)
    busy.cancel()


async def test_what_may_not_be_rung_for_a_moment_is_rung_after_it(tower: Tower) -> None:
    """It is owed also where the agent has taken the placement up: it is to stop, say."""
    tower.world.placements.store[KEY]["status"] = {"state": "Running"}
    tower.leads = False
    tower.note(KEY)
    await asyncio.sleep(0.1)
    assert not tower.rung
    tower.leads = True
    await until(lambda: heard(tower) > 0)


async def test_who_does_not_lead_owes_nothing_for_what_is_gone(tower: Tower) -> None:
    tower.leads = False
    for number in range(100):
        key = ("default", f"vm-{number}")
        tower.world.placements.store[key] = waiting()
        tower.note(key)
        del tower.world.placements.store[key]
        tower.note(key)
    tower._pending[NODE][KEY] = None
    await until(lambda: dict(tower._pending) == {NODE: {KEY: None}})
