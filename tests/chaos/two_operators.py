"""Chaos for the operators: two under load on a real API server, struck at seeded moments."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from lives import ViolationError
from node_players import Players
from operator_pair import Line, OperatorProcess
from operator_rounds import Play

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_testing.accounts import token_of
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.interrupted import only_the_first_interrupt

_NODES = 12
_MOST = 90
"""Workloads at once: somewhat more than the nodes can hold, so that some always wait."""
_SHORT_MINUTES = 2.0
Say = Callable[[str], None]


def play_operators(minutes: float, seed: int, say: Say) -> int:
    """Play until the time is over; return 1 at a violation."""
    say(f"two operators for {minutes:g} minutes with the seed {seed}")
    with tempfile.TemporaryDirectory(prefix="schedune-chaos-") as name:
        folder = Path(name)
        with running_control_plane(folder) as plane:
            return asyncio.run(_play(plane, minutes, seed, say))


async def _play(plane: ControlPlane, minutes: float, seed: int, say: Say) -> int:
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    async with AsyncExitStack() as stack:
        stack.enter_context(only_the_first_interrupt())
        admin = await stack.enter_async_context(
            KubeClient(from_kubeconfig(plane.admin_kubeconfig), field_manager="chaos")
        )
        line = await stack.enter_async_context(Line(plane.layout.server_port))
        token = await token_of(admin, None, "schedune-operator")
        operators = [OperatorProcess(one, line, plane, token) for one in ("one", "two")]
        players = Players(admin, random.Random(seed + 1))  # noqa: S311 - the same
        await players.bring_in(plane, admin, stack, _NODES)
        play = Play(plane, admin, line, operators, players, chance, _MOST)
        for one in operators:
            one.start()
            stack.callback(one.kill)
        try:
            await _act(play, minutes, say)
        except ViolationError as error:
            say(f"\nVIOLATION with the seed {seed}: {error}")
            say("\n".join(("what went before:", *play.history)))
            return 1
    return 0


async def _act(play: Play, minutes: float, say: Say) -> None:
    until = time.monotonic() + 60 * minutes
    count = 1000 if minutes >= _SHORT_MINUTES else 300
    load = asyncio.create_task(play.load())
    mass = asyncio.create_task(play.delete_while_placing(count))
    others = [asyncio.create_task(one) for one in (play.players.run(), play.count_overfull())]
    try:
        while time.monotonic() < until or not mass.done():
            await asyncio.sleep(play.chance.uniform(0.2, 3.0))
            await play.strike()
            play.check_alive()
            for task in (load, *others):
                if task.done():
                    task.result()
        load.cancel()
        _tell(play, await play.come_to_rest(), say)
    finally:
        for task in (load, mass, *others):
            task.cancel()
        await asyncio.gather(load, mass, *others, return_exceptions=True)


def _tell(play: Play, left: int, say: Say) -> None:
    ours = play.operators
    rows = [
        ("faults", play.faults.total()),
        *sorted(play.faults.items()),
        ("answers of 409 while all workloads were changed", play.conflicts),
        ("workloads made", play.made),
        ("workloads deleted", play.deleted),
        ("workloads at the end, each placed or explained", left),
        ("placements admitted by agents", play.players.launched),
        ("placements refused by agents' ledgers", play.players.refused),
        ("tenths of a second in which a node held too much", play.overfull),
        ("terms of office", sum(one.count("loop.leads") for one in ours)),
        ("placements written", sum(one.count("workload.placed") for one in ours)),
        (
            "withdrawn by the auditor",
            sum(one.count("node.overcommitted") for one in ours),
        ),
        ("errors of the loop", sum(one.count("workload.failed") for one in ours)),
    ]
    say("\n".join(f"{what:<64} {value:>8}" for what, value in rows))
