"""The clock: kept right or not, and how far from the API server's."""

import ctypes
import struct
import time
from collections.abc import Iterator

import pytest

from schedune.api.nodetruth import CapabilityState, ClockFacts
from schedune_agent.probes import clock
from schedune_agent.probes.clock import CLOCK, ClockFamily, is_synchronized
from schedune_agent.probes.family import Part
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import recorded


def ahead(part: Part) -> int | None:
    facts = part.facts["clock"]
    assert isinstance(facts, ClockFacts)
    return facts.ahead_seconds


async def tell(*offsets: float | None, files: HostFiles = HOST) -> list[int | None]:
    """Return what is told after each answer of the API server."""
    coming: Iterator[float | None] = iter(offsets)
    family = ClockFamily(files, lambda: next(coming))
    return [ahead(await family()) for _ in offsets]


async def test_the_noise_of_the_servers_answers_changes_nothing() -> None:
    assert await tell(0.4, -1.0, 1.9, -1.9, 0.0) == [0] * 5


async def test_a_skewed_clock_is_told_once_and_again_only_when_it_moved() -> None:
    assert await tell(-3600.2, -3599.1, -3601.9, -3605.0, 0.1) == [3600, 3600, 3600, 3605, 0]


async def test_while_the_server_has_not_answered_the_skew_is_unknown() -> None:
    assert await tell(None) == [None]


async def test_a_skew_in_either_direction_is_a_level() -> None:
    for offset in (7.5, -7.5):
        part = await ClockFamily(HOST, lambda now=offset: now)()
        assert [one.value for one in part.levels if one.name == "clock_skew"] == [7.5]


async def test_this_kernel_says_whether_its_clock_is_kept_right() -> None:
    part = await ClockFamily(HOST, lambda: None)()
    (answer,) = part.answers
    known = {True: "CAP_CLOCK_SYNCHRONIZED", False: "CAP_CLOCK_UNSYNCHRONIZED"}
    assert (answer.name, answer.row.code) == (CLOCK, known[is_synchronized()])
    assert [one.name for one in part.levels] == ["clock_unsynchronized"]


@pytest.mark.parametrize(
    ("synchronized", "state", "level"),
    [(True, CapabilityState.SUPPORTED, 0.0), (False, CapabilityState.UNSUPPORTED, 1.0)],
)
async def test_a_clock_that_nothing_keeps_right_is_a_fact_and_a_level(
    synchronized: bool, state: CapabilityState, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "is_synchronized", lambda: synchronized)
    part = await ClockFamily(HOST, lambda: None)()
    assert part.answers[0].state is state
    assert part.levels[0].value == level


async def test_a_kernel_that_refuses_to_say_leaves_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> bool:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(clock, "is_synchronized", refuse)
    part = await ClockFamily(HOST, lambda: None)()
    assert part.answers[0].row.code == "CAP_CLOCK_UNKNOWN"
    assert part.answers[0].observed == "Operation not permitted"
    assert not part.levels


async def test_of_a_recorded_machine_this_kernel_is_not_asked() -> None:
    part = await ClockFamily(recorded("arm64-server"), lambda: None)()
    assert part.answers[0].state is CapabilityState.UNKNOWN
    facts = part.facts["clock"]
    assert isinstance(facts, ClockFacts)
    assert facts.source == "arch_sys_counter"


def test_the_kernels_structure_is_laid_out_as_we_read_it() -> None:
    """Behind the status stand, after three longs, the time of day and the length of a tick."""
    timex = ctypes.create_string_buffer(clock.TIMEX_BYTES)
    assert ctypes.CDLL(None).adjtimex(timex) >= 0
    after = clock.STATUS_AT + 32
    seconds, _, tick = struct.unpack_from("@3l", timex.raw, after)
    assert abs(seconds - time.time()) < 10
    assert 9000 <= tick <= 11000
