"""Roots that are slow, or answer no more: told apart, and not believed for ever."""

import asyncio
import threading
from pathlib import Path

import pytest

from schedune_agent.probes import root_listings
from schedune_agent.probes.artifacts import ArtifactProbe
from schedune_agent.probes.image_roots import Listing, list_root
from schedune_agent.probes.root_listings import RootListings
from schedune_testing.images import bzimage


class Server:
    """Serves a root for as long as it is let."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.answers = root, threading.Event()
        (root / "kernel").write_bytes(bzimage())
        self.answers.set()
        monkeypatch.setattr(root_listings, "list_root", self._list)

    def _list(self, root: Path) -> Listing:
        self.answers.wait(30)
        return list_root(root)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(tmp_path, monkeypatch)


async def test_a_root_that_takes_a_round_or_two_is_told_as_it_was_and_a_hung_one_as_that(
    server: Server,
) -> None:
    listings = RootListings([server.root], 0.2)
    whole = await listings.take()
    assert [one.path.name for one in whole.files] == ["kernel"]
    server.answers.clear()
    for _ in range(2):
        assert await listings.take() == whole
    late = await listings.take()
    assert (late.files, late.unreadable) == (whole.files, (f"{server.root}: no answer",))
    server.answers.set()
    await asyncio.sleep(0.1)
    assert await listings.take() == whole


async def test_a_root_that_was_never_seen_is_unknown_from_the_first_round(server: Server) -> None:
    server.answers.clear()
    found = await RootListings([server.root], 0.05).take()
    assert (found.files, found.unreadable) == ((), (f"{server.root}: no answer",))
    server.answers.set()


async def test_files_that_nobody_has_seen_for_minutes_are_told_no_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = ArtifactProbe([server.root], patience_s=0.2)
    digested = False
    while not digested:  # else its children would be there still when the loop ends
        (kernel,), _ = await probe()
        digested = kernel.sha256 is not None
    server.answers.clear()
    for _ in range(3):
        found, hidden = await probe()
    assert ([one.name for one in found], hidden) == (["kernel"], 1)
    monkeypatch.setattr(root_listings, "_BELIEVED_S", 0.0)
    assert await probe() == ([], 1)
    server.answers.set()
    await asyncio.sleep(0.1)
    assert (await probe())[1] == 0
