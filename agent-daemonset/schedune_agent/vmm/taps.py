"""The taps of a placement: their names, and how they come and go with its VM.

A name holds who made it (an agent, by its cluster and its state directory, which one agent at
a time works on) and for which card of which placement. So what is left without a process is
known again by its name alone, whatever else was lost.
"""

import base64
import contextlib
import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Backend
from schedune.codes import networks as codes
from schedune.codes import placement as placement_codes
from schedune.codes.row import Reason
from schedune.launch.traits import TRAITS
from schedune_agent.settings import AgentSettings
from schedune_agent.system import taps
from schedune_agent.system.place import HERE, Place, network_of
from schedune_agent.vmm.port import Tap, VmmRefusalError

_PREFIX: Final = "sch"
_AGENT_LETTERS: Final = 4
_CARD_LETTERS: Final = 8
_MOST_CARDS: Final = 8
_FIRST_DESCRIPTOR: Final = 1000
"""Far above what an agent has open, below the usual limit of 1024."""
_LOG: Final = logging.getLogger(__name__)


class TapError(VmmRefusalError):
    """A tap could not be made, or is gone; the reason says which and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self._reason = reason

    @property
    def reason(self) -> Reason:
        """The code that tells it."""
        return self._reason


def tap_names(settings: AgentSettings, placement_uid: str) -> tuple[str, ...]:
    """Return the names of all taps that a placement may have."""
    return tuple(_name(settings, placement_uid, index) for index in range(_MOST_CARDS))


def taps_of(
    settings: AgentSettings, placement_uid: str, launch: Launch, backend: Backend
) -> dict[str, Tap]:
    """Return the taps of a launch, by network."""
    passes = TRAITS[backend].takes_open_taps
    return {
        one.name: Tap(
            _name(settings, placement_uid, index),
            one.tap.bridge,
            _FIRST_DESCRIPTOR + index if passes else None,
        )
        for index, one in enumerate(launch.networks)
        if one.tap is not None
    }


@contextlib.contextmanager
def made_taps(
    wanted: Iterable[Tap], user: int | None = None, place: Place = HERE
) -> Iterator[Mapping[int, int]]:
    """Make taps for a VMM that is started meanwhile; give which descriptors it gets, by number.

    One that the VMM gets open ends with it, or with us if it is never started. One that it
    opens by its name stays until ``remove_taps``, and is for ``user``; None: who we are.

    Raises:
        TapError: one cannot be made.
    """
    with contextlib.ExitStack() as stack:
        passed = {}
        for one in wanted:
            descriptor = _make(one, os.geteuid() if user is None else user, place)
            stack.callback(os.close, descriptor)
            if one.descriptor is not None:
                passed[one.descriptor] = descriptor
        yield passed


def _make(tap: Tap, user: int, place: Place) -> int:
    owner = user if tap.descriptor is None else None
    try:
        return taps.make(tap.name, tap.bridge, owner=owner, place=place)
    except taps.NoBridgeError as error:
        raise TapError(no_bridge(tap.bridge)) from error
    except taps.TapHeldError as error:
        raise TapError(Reason(codes.TAP_IN_USE, tap.name, tap.bridge)) from error
    except OSError as error:
        told = error.strerror or str(error)
        raise TapError(Reason(codes.TAP_NOT_MADE, told, tap.bridge)) from error


def no_bridge(name: str) -> Reason:
    """Return the reason that a bridge is not there, as an agent sees it."""
    return Reason(placement_codes.BRIDGE_MISSING, "none of that name", name, name)


def check_made(names: Iterable[str], pid: int) -> None:
    """Find what a VMM is about to open by its name: one with the right makes what is missing.

    Raises:
        TapError: a tap is gone.
    """
    for name in names:
        if not taps.exists(name, network_of(pid)):
            raise TapError(Reason(codes.TAP_GONE, name))


def remove_taps(names: Iterable[str], place: Place = HERE) -> bool:
    """Remove taps that nobody holds; say whether none of them is left."""
    wanted = set(names)
    left = [one for one in _taps_at(place) if one in wanted and not _is_removed(one, place)]
    return not left


def _taps_at(place: Place) -> list[str]:
    """Return the names there that an agent of ours may have given."""
    try:
        return taps.names_with(_PREFIX, place)
    except OSError as error:
        # Who may not look there may not start a VM there either: there is none to make room for.
        _LOG.warning("tap.not-seen", extra={"error": str(error)})
        return []


def _is_removed(name: str, place: Place) -> bool:
    try:
        return taps.remove(name, place)
    except OSError as error:
        _LOG.warning("tap.not-removed", extra={"tap": name, "error": str(error)})
        return False


def remove_strays(settings: AgentSettings, known: Iterable[str], place: Place = HERE) -> None:
    """Remove this agent's taps of which no placement is known and which no process holds."""
    found = [one for one in _taps_at(place) if one.startswith(_own_prefix(settings))]
    if found:
        kept: Collection[str] = {name for uid in known for name in tap_names(settings, uid)}
        for name in found:
            if name not in kept and _is_removed(name, place):
                _LOG.info("tap.removed", extra={"tap": name})


def _name(settings: AgentSettings, placement_uid: str, index: int) -> str:
    return _own_prefix(settings) + _letters(f"{placement_uid}/{index}", _CARD_LETTERS)


def _own_prefix(settings: AgentSettings) -> str:
    owner = f"{settings.cluster_uid}/{settings.state_directory}"
    return _PREFIX + _letters(owner, _AGENT_LETTERS)


def _letters(text: str, count: int) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:count]
