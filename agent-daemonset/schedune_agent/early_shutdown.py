"""The host goes down before this agent works: its guests are ended by their records alone.

While the API server is away an agent knows no placements, and holds the lock without which
nobody else may end what its records name. So until its workers begin, it does what
``host-shutdown`` does where no agent runs; none of that goes on beside a worker.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, Self

from schedune_agent.guests_end import end_recorded
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import identify_machine
from schedune_agent.settings import AgentSettings
from schedune_agent.system.first import first_of

_LOOK_SECONDS: Final = 1.0
_LOG: Final = logging.getLogger(__name__)


class EarlyShutdown:
    """Answers the order that the host goes down, from when it is entered until it gives way."""

    def __init__(self, settings: AgentSettings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._boot_id = identify_machine("", "").boot_id
        self._shutdown = HostShutdown(settings.run_directory, self._boot_id)
        self._is_asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._left: list[str] | None = None
        """What was told of guests that it could not end; None: it has not tried yet."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._answer())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def give_way(self) -> None:
        """Return once nothing is done here any more: an end that was begun is gone through with."""
        self._is_asked.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _answer(self) -> None:
        while not self._is_asked.is_set():
            try:
                if self._shutdown.is_ordered and not self._shutdown.is_done:
                    await self._end_guests()
            except Exception:  # noqa: BLE001 - the top of a loop
                _LOG.exception("host.no-answer")
            await first_of(self._is_asked.wait(), limit_s=_LOOK_SECONDS)

    async def _end_guests(self) -> None:
        """End them all, and tell when none runs any more.

        Raises:
            OSError: that cannot be told.
        """
        if self._left is None:
            _LOG.warning("host.goes-down")
        left = await end_recorded(self._settings, self._boot_id, self._clock)
        if left and left != self._left:
            _LOG.warning("host.guests-left", extra={"left": left})
        self._left = left
        if not left and self._shutdown.is_ordered:
            self._shutdown.tell_done()
