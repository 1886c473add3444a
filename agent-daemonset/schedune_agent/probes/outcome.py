"""What a probe returns: what it saw and how it went."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from schedune.api.nodetruth import ProbeRun
from schedune.codes import probes as codes

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The facts, or None where the probe failed, and the record of its run."""

    value: T | None
    run: ProbeRun
    message: str = ""


async def observe(name: str, probe: Callable[[], Awaitable[T]]) -> Outcome[T]:
    """Run one probe; whatever goes wrong in it makes its facts unknown, and no others."""
    started = time.monotonic()
    value: T | None = None
    message = ""
    try:
        value = await probe()
    except Exception as error:  # noqa: BLE001 - the top of a probe: a fact becomes Unknown
        message = f"{type(error).__name__}: {error}"
    duration = int((time.monotonic() - started) * 1000)
    run = ProbeRun(
        name=name,
        outcome="Failed" if message else "Succeeded",
        reason_code=codes.PROBE_FAILED.code if message else None,
        duration_milliseconds=duration,
    )
    return Outcome(value, run, message)
