"""The clock: is it kept right, and does it agree with the API server's?"""

import ctypes
import os
from collections.abc import Callable
from typing import Final

from schedune.api.nodetruth import CapabilityState, ClockFacts
from schedune.codes import host_probes as codes
from schedune.evidence.health import Level
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.partial import PartialReader
from schedune_agent.system.host_files import HostFiles

CLOCK: Final = "clock_synchronized"
ServerOffset = Callable[[], float | None]
"""Gives the seconds by which the API server's clock is ahead of ours; None: not known yet."""
TIMEX_BYTES: Final = 208
"""Size of struct timex, with longs of 64 bits."""
STATUS_AT: Final = 40
"""Where its status stands, an int."""
_UNSYNCHRONIZED: Final = 0x40
_TIME_ERROR: Final = 5
_NOISE_S: Final = 2.0
"""The server's time comes in whole seconds, and after a journey."""


class ClockFamily:
    """The clock; a difference within the noise of what was told is none."""

    name = "clock"
    deadline_s = 1.0
    answers_for = (CLOCK,)

    def __init__(self, files: HostFiles, server_offset: ServerOffset) -> None:
        self._files = files
        self._server_offset = server_offset
        self._told = 0

    async def __call__(self) -> Part:
        """Ask kernel and server. adjtimex(2) waits for nothing, so it is asked without a child."""
        reader = PartialReader(self._files)
        answer, levels = self._answer()
        offset = self._server_offset()
        if offset is not None:
            levels.append(Level("clock_skew", abs(offset)))
        facts = ClockFacts(
            source=reader.line(
                "sys/devices/system/clocksource/clocksource0/current_clocksource", 64
            ),
            ahead_seconds=self._ahead(offset),
        )
        return Part(facts={"clock": facts}, answers=[answer], levels=levels, unread=reader.unread)

    def _ahead(self, offset: float | None) -> int | None:
        if offset is None:
            return None
        if abs(-offset - self._told) >= _NOISE_S:
            self._told = round(-offset)
        return self._told

    def _answer(self) -> tuple[Answer, list[Level]]:
        state, row, seen = CapabilityState.UNKNOWN, codes.CAP_CLOCK_UNKNOWN, "a recorded machine"
        levels = []
        if self._files.is_live:
            try:
                synchronized = is_synchronized()
            except OSError as error:
                seen = error.strerror or str(error)
            else:
                levels = [Level("clock_unsynchronized", float(not synchronized))]
                state, row = CapabilityState.SUPPORTED, codes.CAP_CLOCK_SYNCHRONIZED
                if not synchronized:
                    state, row = CapabilityState.UNSUPPORTED, codes.CAP_CLOCK_UNSYNCHRONIZED
        return Answer(CLOCK, state, row, seen, source="kernel", method="adjtimex"), levels


def is_synchronized() -> bool:
    """Ask the kernel whether something keeps the clock right.

    Raises:
        OSError: it does not say.
    """
    library = ctypes.CDLL(None, use_errno=True)
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    result = library.adjtimex(timex)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    status = ctypes.c_int.from_buffer(timex, STATUS_AT).value
    return result != _TIME_ERROR and not status & _UNSYNCHRONIZED
