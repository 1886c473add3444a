"""What the operator knows of the workloads, and which of them want to be looked at."""

import asyncio
from collections.abc import Callable
from typing import Final

from schedune.fleet.peers import NOBODY, Peer, peer_of
from schedune_kube.client import Raw
from schedune_kube.lean import lean
from schedune_kube.reflector import Key

_MOST_GONE: Final = 10_000
"""So many deletions are remembered: more than there are while one list is under way."""


class WorkloadCache:
    """The latest state of every VMWorkload; filled by kopf's events and by the sweep."""

    def __init__(self) -> None:
        self.workloads: dict[Key, Raw] = {}
        self.changed = asyncio.Event()
        self.ours: dict[Key, str] = {}
        """The version that our own last write of each made: no news to us."""
        self._gone: dict[str, None] = {}
        """UIDs deleted since the last list: a list that is under way may still show them."""
        self._listed = 0
        """The version of the last list."""
        self.on_note: Callable[[Key], None] = lambda _key: None
        """Told of every name that an event was about."""

    def __copy__(self) -> "WorkloadCache":
        """Be shared: kopf copies its memo for every object."""
        return self

    def note(self, kind: str | None, raw: Raw) -> None:
        """Take in one event; an older version than the one held is passed over."""
        key = _key(raw)
        if kind == "DELETED":
            self._drop(key, _uid(raw))
        elif _uid(raw) not in self._gone and not self._is_older(key, raw):
            self.workloads[key] = self.kept(raw)
        self.on_note(key)
        self.changed.set()

    def forget(self, raw: Raw) -> None:
        """Take in that the server says that an object is gone; its event comes, or was lost."""
        self.note("DELETED", raw)

    def _drop(self, key: Key, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]
        held = self.workloads.get(key)
        if held is not None and _uid(held) == uid:
            del self.workloads[key]
            self.ours.pop(key, None)

    def peer_of(self, key: Key) -> Peer:
        """Return what a workload is to others; nobody where it is not known."""
        raw = self.workloads.get(key)
        if raw is None:
            return NOBODY
        return peer_of(raw["metadata"].get("labels"), raw["spec"].get("placement"))

    def absorb(self, raw: Raw) -> None:
        """Hold what we just wrote, before its event comes; that is no news to look at."""
        key = _key(raw)
        if key not in self.workloads:
            return  # it was deleted while we wrote
        self.ours[key] = raw["metadata"]["resourceVersion"]
        if not self._is_older(key, raw):
            self.workloads[key] = lean(raw)

    def replace_all(self, items: list[Raw], version: str) -> None:
        """Take in a whole list of what is ``kept``: what is not in it, and not newer, is gone.

        After a restored backup the server counts anew: nothing that was held is newer then.
        """
        before, listed, self._listed = self.workloads, self._listed, int(version)
        newer = {key: raw for key, raw in before.items() if _version(raw) > self._listed}
        if self._listed < listed:
            newer, self.ours = {}, {}
        found = {_key(one): one for one in items if _uid(one) not in self._gone}
        self.workloads = found | newer
        self._gone.clear()
        self.ours = {key: one for key, one in self.ours.items() if key in self.workloads}
        for key in {*before, *self.workloads}:
            if before.get(key) is not self.workloads.get(key):
                self.on_note(key)
        self.changed.set()

    def kept(self, raw: Raw) -> Raw:
        """Return what is kept of an object; nothing is made anew of a version that is held."""
        held = self.workloads.get(_key(raw))
        return held if held is not None and _version(held) == _version(raw) else lean(raw)

    def _is_older(self, key: Key, raw: Raw) -> bool:
        """Compare versions, also with an earlier object of the name: they are of one count."""
        held = self.workloads.get(key)
        return held is not None and _version(raw) < _version(held)


def _key(raw: Raw) -> Key:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _uid(raw: Raw) -> str:
    return str(raw["metadata"]["uid"])


def _version(raw: Raw) -> int:
    return int(raw["metadata"]["resourceVersion"])
