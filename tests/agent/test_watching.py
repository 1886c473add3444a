"""What comes, goes or changes where facts come from is noticed at once, and noise is not."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from schedune_agent.settings import AgentSettings
from schedune_agent.system import watching
from schedune_agent.system.watching import Watched, changes, watch
from schedune_agent.watched import watched_folders

_NAMES = re.compile("kvm|firecracker")


class Turns:
    """Counts the turns of a watcher that runs beside the test."""

    def __init__(self) -> None:
        self.count = 0
        self._turned = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._turned.set()

    async def next(self, within_s: float = 3.0) -> bool:
        """Say whether a turn came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._turned.wait()
        came = self._turned.is_set()
        self._turned.clear()
        return came


Watch = Callable[..., "contextlib.AbstractAsyncContextManager[Turns]"]


@pytest.fixture
def watching_over(monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watching, "QUIET_S", 0.1)
    monkeypatch.setattr(watching, "SPACING_S", 0.0)

    @contextlib.asynccontextmanager
    async def over(*watched: Watched) -> AsyncIterator[Turns]:
        turns = Turns()
        task = asyncio.create_task(watch(watched, turns))
        assert await turns.next()  # Now everything is watched.
        try:
            yield turns
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return over


async def test_a_file_that_appears_changes_or_goes_is_noticed(
    tmp_path: Path, watching_over: Watch
) -> None:
    async with watching_over(Watched(tmp_path)) as turns:
        for change in (
            lambda: (tmp_path / "image").write_text("one"),
            lambda: (tmp_path / "image").write_text("two"),
            lambda: (tmp_path / "image").chmod(0o600),
            lambda: (tmp_path / "image").rename(tmp_path / "other"),
            (tmp_path / "other").unlink,
        ):
            change()
            assert await turns.next()


async def test_other_names_and_in_dev_mere_writing_are_noise(
    tmp_path: Path, watching_over: Watch
) -> None:
    (tmp_path / "kvm").write_text("")
    async with watching_over(Watched(tmp_path, _NAMES, contents=False)) as turns:
        (tmp_path / "null").write_text("noise")
        (tmp_path / "kvm").write_text("also noise")
        assert not await turns.next(within_s=0.5)
        (tmp_path / "kvm").chmod(0o600)
        assert await turns.next()


async def test_a_folder_that_is_not_there_yet_is_waited_for(
    tmp_path: Path, watching_over: Watch
) -> None:
    folder = tmp_path / "opt" / "schedune" / "bin"
    async with watching_over(Watched(folder, _NAMES)) as turns:
        (tmp_path / "noise").mkdir()
        assert not await turns.next(within_s=0.5)
        folder.mkdir(parents=True)
        assert await turns.next()
        (folder / "firecracker").write_text("")
        assert await turns.next()


async def test_a_folder_that_was_replaced_is_watched_again(
    tmp_path: Path, watching_over: Watch
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    async with watching_over(Watched(folder)) as turns:
        folder.rename(tmp_path / "old")
        assert await turns.next()
        folder.mkdir()
        assert await turns.next()
        (folder / "image").write_text("")
        assert await turns.next()


async def test_two_that_watch_one_folder_each_see_what_they_want_and_no_more(
    tmp_path: Path, watching_over: Watch
) -> None:
    for name in ("firecracker", "kvm"):
        (tmp_path / name).write_text("")
    binary = Watched(tmp_path, re.compile("firecracker"))
    device = Watched(tmp_path, re.compile("kvm"), contents=False)
    async with watching_over(binary, device) as turns:
        (tmp_path / "firecracker").write_text("new")
        assert await turns.next()
        (tmp_path / "kvm").write_text("noise")
        assert not await turns.next(within_s=0.5)
        (tmp_path / "kvm").unlink()
        assert await turns.next()


async def test_a_copy_of_many_writes_is_one_turn(tmp_path: Path, watching_over: Watch) -> None:
    async with watching_over(Watched(tmp_path)) as turns:
        before = turns.count
        for number in range(20):
            (tmp_path / f"image-{number}").write_text("x")
            await asyncio.sleep(0.01)
        assert await turns.next()
        await asyncio.sleep(0.3)
        assert turns.count == before + 1


async def test_who_never_stops_writing_is_looked_at_in_between(
    tmp_path: Path, watching_over: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LONGEST_S", 0.5)

    async def write() -> None:
        while True:
            (tmp_path / "image").write_text("x")
            await asyncio.sleep(0.02)

    async with watching_over(Watched(tmp_path)) as turns:
        writer = asyncio.create_task(write())
        assert await turns.next()
        assert await turns.next()
        writer.cancel()


async def test_between_two_turns_the_agent_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watching_over: Watch
) -> None:
    monkeypatch.setattr(watching, "SPACING_S", 1.0)
    async with watching_over(Watched(tmp_path)) as turns:
        started = time.monotonic()
        (tmp_path / "image").write_text("x")
        assert await turns.next()
        assert time.monotonic() - started >= 0.9


async def test_where_nothing_can_be_watched_the_period_has_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(watching.Watcher, "__init__", refuse)
    assert [one async for one in changes([Watched(tmp_path)])] == []


def test_devices_binaries_and_images_are_watched(tmp_path: Path) -> None:
    settings = AgentSettings.model_validate(
        {
            "kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/t"},
            "clusterUID": "cluster-of-this-test",
            "imageRoots": [str(tmp_path / "images")],
            "searchPath": [str(tmp_path / "bin")],
        }
    )
    held = {one.folder: one for one in watched_folders(settings)}
    assert set(held) == {
        Path("/dev"),
        Path("/dev/net"),
        tmp_path / "bin",
        tmp_path / "images",
    }
    assert held[Path("/dev")].names.fullmatch("kvm")
    assert not held[Path("/dev")].names.fullmatch("null")
    assert held[tmp_path / "bin"].names.fullmatch("cloud-hypervisor")
    assert held[tmp_path / "bin"].names.fullmatch("0123456789abcdef")
    assert held[tmp_path / "images"].names is None
