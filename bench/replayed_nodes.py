"""One process of many replayed nodes: started by replay.py, told by one JSON file.

Each node has its own agent, its own client and its own pod-bound token; the connections
are the process's. An agent here publishes its truth and renews its Lease by the
ordinary code; it watches no placements (what such watches cost is not measured here).
"""

import asyncio
import json
import random
import signal
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import NodeTruthStatus
from schedune_agent.identity import NodeIdentity, read_identity
from schedune_agent.replay import RecordedFacts
from schedune_agent.settings import AgentSettings
from schedune_agent.truth import TruthPublisher
from schedune_kube.client import KubeClient
from schedune_kube.connections import Connections
from schedune_kube.credentials import Credentials
from schedune_kube.log import set_up_logging

_AT_ONCE: Final = 8
"""More requests at once make a server on a few cores no faster, only each answer later."""


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class Changing:
    """Recorded facts of which one, the room on the first disk, changes now and then."""

    def __init__(self, path: Path, identity: NodeIdentity, chance: float) -> None:
        self._recorded = RecordedFacts(path, identity, clock)
        self._chance = chance
        self._steps = 0

    async def take_facts(self) -> NodeTruthStatus:
        """Return facts of an agent that launches; by chance they changed since the last time."""
        facts = await self._recorded.take_facts()
        if random.random() < self._chance:  # noqa: S311 - a load
            self._steps += 1
        first, *others = facts.disks
        less = first.model_copy(
            update={"available_bytes": max(0, first.available_bytes - self._steps * 2**30)}
        )
        identity = facts.identity and facts.identity.model_copy(update={"execution": "Launches"})
        return facts.model_copy(update={"disks": [less, *others], "identity": identity})


async def publish_for_ever(
    settings: AgentSettings, shared: Connections | None, changes_per_minute: float
) -> None:
    """Be the agent of one node, as far as its truth goes."""
    kubernetes, identity = settings.kubernetes, read_identity(settings.kubernetes.token_file)
    credentials = Credentials(
        kubernetes.server, ca_file=kubernetes.ca_file, token_file=kubernetes.token_file
    )
    assert settings.facts_file is not None  # noqa: S101 - replay.py gives it
    chance = changes_per_minute * settings.probe_period_seconds / 60
    client = KubeClient(credentials, field_manager="schedune-agent", shared=shared)
    async with client:
        publisher = TruthPublisher(
            client,
            settings,
            identity,
            Changing(settings.facts_file, identity, chance),
            live_vms=list,
            orphans=list,
            orders=list,
            clock=clock,
        )
        await publisher.run()


async def run(told: dict[str, Any]) -> None:
    """Run all nodes until SIGTERM."""
    agents = [AgentSettings.model_validate(one) for one in told["agents"]]
    first = agents[0].kubernetes
    async with AsyncExitStack() as stack:
        shared = None
        if told["share"]:
            credentials = Credentials(first.server, ca_file=first.ca_file)
            shared = await stack.enter_async_context(Connections(credentials, at_once=_AT_ONCE))
        tasks = [
            asyncio.create_task(publish_for_ever(one, shared, told["changesPerMinute"]))
            for one in agents
        ]
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        waiter = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()


if __name__ == "__main__":
    set_up_logging()
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
