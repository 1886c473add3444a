"""What the operator knows of the workloads, and which of them want to be looked at."""

import asyncio
from collections.abc import Callable, Mapping

from schedune_kube.client import Raw
from schedune_kube.lean import lean
from schedune_kube.reflector import Key


class WorkloadCache:
    """The latest state of every VMWorkload; filled by kopf's events and by the sweep."""

    def __init__(self) -> None:
        self.workloads: dict[Key, Raw] = {}
        self.changed = asyncio.Event()
        self.ours: dict[Key, str] = {}
        """The version that our own last write of each made: no news to us."""
        self.on_note: Callable[[Key], None] = lambda _key: None
        """Told of every name that an event was about."""

    def __copy__(self) -> "WorkloadCache":
        """Be shared: kopf copies its memo for every object."""
        return self

    def note(self, kind: str | None, raw: Raw) -> None:
        """Take in one event; an older version than the one held is passed over."""
        key = _key(raw)
        if kind == "DELETED":
            held = self.workloads.get(key)
            if held is not None and held["metadata"]["uid"] == raw["metadata"]["uid"]:
                del self.workloads[key]
                self.ours.pop(key, None)
        elif not self._is_older(key, raw):
            self.workloads[key] = self.kept(raw)
        self.on_note(key)
        self.changed.set()

    def labels_of(self, key: Key) -> Mapping[str, str]:
        """Return the labels of a workload; none where it is not known."""
        labels: Mapping[str, str] = (
            self.workloads.get(key, {}).get("metadata", {}).get("labels") or {}
        )
        return labels

    def absorb(self, raw: Raw) -> None:
        """Hold what we just wrote, before its event comes; that is no news to look at."""
        key = _key(raw)
        self.ours[key] = raw["metadata"]["resourceVersion"]
        if not self._is_older(key, raw):
            self.workloads[key] = lean(raw)

    def replace_all(self, items: list[Raw], version: str) -> None:
        """Take in a whole list of what is ``kept``: what is not in it, and not newer, is gone."""
        before = self.workloads
        newer = {key: raw for key, raw in before.items() if _version(raw) > int(version)}
        self.workloads = {_key(one): one for one in items} | newer
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


def _version(raw: Raw) -> int:
    return int(raw["metadata"]["resourceVersion"])
