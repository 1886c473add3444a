"""Answers read from small files: what cannot be read costs its own answer and no other."""

from collections.abc import Callable

from schedune.api.nodetruth import CapabilityState
from schedune.codes.device_probes import CAP_FACT_UNREADABLE
from schedune_agent.probes.family import Answer
from schedune_agent.system.host_files import UnreadableError


def attempt(name: str, source: str, look: Callable[[], Answer]) -> Answer:
    """Return what a look gives, or that it cannot be told and why."""
    try:
        return look()
    except UnreadableError as error:
        return unreadable(name, str(error), error.path)
    except (ValueError, OSError) as error:
        return unreadable(name, f"{source}: {error}", source)


def unreadable(name: str, seen: str, source: str) -> Answer:
    """Return that it cannot be told."""
    unknown = CapabilityState.UNKNOWN
    return Answer(name, unknown, CAP_FACT_UNREADABLE, seen, None, source, "read")
