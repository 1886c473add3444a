"""What the tests with real VMs share: the facts of this machine, and worlds that leave nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schedune_testing.machines import Machine, machine_of_this_host
from schedune_testing.vms import World

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.vm)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Take the facts once."""
    with machine_of_this_host() as found:
        yield found


@pytest.fixture
def new_world(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Make worlds, and leave nothing of them."""
    worlds: list[World] = []

    def make(**options: object) -> World:
        worlds.append(World(machine, monkeypatch, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
