"""Reboots of which QEMU tells: the guest's own are counted, and only those."""

import asyncio
import json
import socket
from typing import Any

import pytest

from schedune_agent.vmm.qemu.qmp import QmpClient
from schedune_agent.vmm.reboots import LOOP_SECONDS, MOST_REBOOTS, Reboots

STOP = {"event": "STOP"}


async def reboots_of(*events: dict[str, Any]) -> Reboots:
    """Return what a client heard of them from its monitor."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    client = QmpClient(reader, writer, 1)
    with theirs:
        theirs.sendall(b"".join(json.dumps(one).encode() + b"\n" for one in (*events, STOP)))
        assert await client.hear_stop()
    client.close()
    await writer.wait_closed()
    return client.reboots


def reset(seconds: object, **data: object) -> dict[str, Any]:
    return {"event": "RESET", "data": data, "timestamp": {"seconds": seconds}}


@pytest.mark.parametrize(
    ("step", "data", "loops"),
    [
        (5, {"guest": True, "reason": "guest-reset"}, True),
        (LOOP_SECONDS, {"guest": True, "reason": "guest-reset"}, False),
        (5, {"guest": False, "reason": "host-qmp-system-reset"}, False),
        (5, {"guest": "yes"}, False),
    ],
    ids=["fast", "slow", "somebody else's", "nonsense"],
)
async def test_reboots_of_the_guest_are_a_loop_if_they_are_many_and_fast(
    step: float, data: dict[str, object], *, loops: bool
) -> None:
    events = [reset(int(number * step), **data) for number in range(MOST_REBOOTS + 1)]
    assert (await reboots_of(*events)).loops == loops


@pytest.mark.parametrize("stamp", [None, {}, {"seconds": "x"}, {"seconds": -1}, 7])
async def test_an_event_whose_time_is_none_does_no_harm(stamp: object) -> None:
    event = {"event": "RESET", "data": {"guest": True}, "timestamp": stamp}
    before = [reset(int(number * LOOP_SECONDS), guest=True) for number in range(MOST_REBOOTS)]
    assert not (await reboots_of(event)).loops
    assert not (await reboots_of(*before, event)).loops
    assert not (await reboots_of(*[event] * (MOST_REBOOTS + 1))).loops
    loop = [reset(number, guest=True) for number in range(MOST_REBOOTS + 1)]
    assert (await reboots_of(*before, event, *loop)).loops


@pytest.mark.parametrize(
    ("seconds", "loops"),
    [
        ([10000, 10600, 11200, 11800, 12400, 9000], False),
        ([10000, 10001, 10002, 10003, 10004, 9000, 9001], False),
        ([10000, 9000, 9001, 9002, 9003, 9004, 9005], True),
        ([10000, 10000, 10000, 10000, 10000, 10000], True),
    ],
    ids=["once in ten minutes", "as many as may be", "a loop after it", "all at once"],
)
async def test_a_clock_that_is_set_back_makes_no_loop_of_old_reboots(
    seconds: list[int], *, loops: bool
) -> None:
    told = await reboots_of(*[reset(second, guest=True) for second in seconds])
    assert told.loops == loops
