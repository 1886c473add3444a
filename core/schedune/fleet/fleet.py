"""The fleet as columns (numpy): a check is a vector operation over all nodes.

Rows are sorted by name, so that an order by row is an order by name. Changing one node,
or claiming on it, touches its row and is written into a log, by which whoever keeps
answers about the fleet brings them up to date row by row.
"""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from schedune.api.nodetruth import NodeTruth
from schedune.fleet.claims import Claims
from schedune.fleet.column import Coded, Column, Rows
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.fleet.profile import (
    ALWAYS,
    NEVER,
    UNDECLARED,
    Facts,
    Interner,
    NodeProfile,
    profile_of,
)
from schedune.fleet.quota import Quota

_MOST_KEYED: Final = 512
"""Columns made on demand (a label, an artefact, a capability) that are kept."""
_LONGEST_LOG: Final = 65_536
_DIGEST_BYTES: Final = 32
NOTHING: Final = Facts()
_OF_HEARTBEATS: Final = ("last_proof", "lease_seconds", "last_heard")
"""What becomes another with every heartbeat, and is asked for every time."""

_NUMBERS: Final[dict[str, Callable[[NodeProfile], int]]] = {
    "last_proof": lambda node: node.last_proof,
    "lease_seconds": lambda node: node.lease_seconds,
    "vcpus": lambda node: _offered(node, lambda capacity: capacity.vcpus),
    "memory": lambda node: _offered(node, lambda capacity: capacity.memory),
    "disk": lambda node: _offered(node, lambda capacity: capacity.disk),
    "alarms": lambda node: len(node.facts.alarms) if node.facts else 5,
}
_CODED: Final[dict[str, Callable[[NodeProfile], Hashable]]] = {
    "unknown": lambda node: node.unknown,
    "node_ready": lambda node: node.node_ready,
    "openness": lambda node: (node.unschedulable, node.scheduling),
    "taints": lambda node: node.taints,
    "architecture": lambda node: (node.facts or NOTHING).architecture,
    "health": lambda node: (node.facts or NOTHING).health,
    "execution": lambda node: (node.facts or NOTHING).execution,
    "node_class": lambda node: (node.facts or NOTHING).node_class,
    "constraints": lambda node: (node.facts or NOTHING).constraints,
    "backends": lambda node: _binaries(node.facts or NOTHING),
    "bridges": lambda node: (node.facts or NOTHING).bridges,
    "failed_probes": lambda node: (node.facts or NOTHING).failed_probes,
}  # fmt: skip
_KEYED: Final[dict[str, Callable[[NodeProfile, Any], Hashable]]] = {
    "label": lambda node, key: node.labels.get(key),
    "artifact": lambda node, key: _artifact(node.facts or NOTHING, key),
    "capability": lambda node, key: _state(node.facts or NOTHING, key),
}
_KEYED_NUMBERS: Final[dict[str, Callable[[NodeProfile, Any], int]]] = {
    "capability_end": lambda node, key: (node.facts or NOTHING).capability_ends.get(key, ALWAYS),
    "pages": lambda node, key: _pages(node.facts or NOTHING, key),
}


@dataclass(frozen=True, eq=False, slots=True)
class Changed:
    """Rows that were touched since some version, each named once."""

    nodes: Rows
    """Those whose node is another, and maybe their claims."""
    claims: Rows
    """The others, on which only claims are others."""

    @property
    def rows(self) -> Rows:
        """All of them."""
        return np.concatenate((self.nodes, self.claims))


class Fleet:
    """All nodes, and what is left of each."""

    def __init__(self, profiles: Iterable[NodeProfile], claims: Iterable[ClaimRecord] = ()) -> None:
        self._same = Interner()
        self.quotas: Mapping[str, Quota] = {}
        """What the VMs of namespaces may claim together; whoever knows sets it."""
        self._reduced: dict[str, tuple[NodeTruth, int, Facts]] = {}
        """Of each node the truth that was last reduced to facts, and to which ones."""
        self._prepared: dict[str, NodeProfile] = {}
        self._build(list(profiles), list(claims))

    @classmethod
    def of(
        cls,
        nodes: Iterable[NodeRecord],
        claims: Iterable[ClaimRecord] = (),
        quotas: Mapping[str, Quota] | None = None,
    ) -> "Fleet":
        """Build the fleet; claims on nodes that are not there take room on none."""
        same = Interner()
        fleet = cls((profile_of(node, same) for node in nodes), claims)
        fleet._same = same
        fleet.quotas = quotas or {}
        return fleet

    def _build(self, profiles: list[NodeProfile], claims: list[ClaimRecord]) -> None:
        self.nodes = sorted(profiles, key=lambda node: node.name)
        self.row = {node.name: index for index, node in enumerate(self.nodes)}
        self.numbers: dict[str, Column] = {
            name: np.fromiter((read(node) for node in self.nodes), np.int64, len(self.nodes))
            for name, read in _NUMBERS.items()
        }
        self.coded: dict[str, Coded[Any]] = {
            name: Coded(read(node) for node in self.nodes) for name, read in _CODED.items()
        }
        self._keyed: dict[tuple[str, Hashable], Coded[Any]] = {}
        self._keyed_numbers: dict[tuple[str, Hashable], Column] = {}
        self.claims = Claims(self.row, claims)
        self.kept: Column = np.zeros(len(self.nodes), np.int64)
        """Bytes of Persistent disks on each row that no claim counts: their VM may come back."""
        for row in range(len(self.nodes)):
            self._count_kept(row)
        self._digests = np.zeros((len(self.nodes), _DIGEST_BYTES), np.uint8)
        self._undigested = set(range(len(self.nodes)))
        self._content = b""
        """The digest of the whole; "": not made yet."""
        self.live: dict[str, set[str]] = {}
        """Names of the nodes on which a VM of a workload runs, by the workload's UID."""
        for node in self.nodes:
            self._count_live(node, present=True)
        self._log: list[int] = []
        """Rows whose node is another, and the complement of rows on which a claim is."""
        self._dropped = 0
        self.shape = object()
        """Another one after every change of the rows themselves."""

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def version(self) -> int:
        """Grows with every change of a row."""
        return self._dropped + len(self._log)

    def changed_since(self, version: int) -> Changed | None:
        """Return the rows touched since a version of this shape; None: too many to tell."""
        if version < self._dropped:
            return None
        told = set(self._log[version - self._dropped :])
        nodes = {row for row in told if row >= 0}
        return Changed(_rows(nodes), _rows({~one for one in told if one < 0} - nodes))

    # --- changes ---------------------------------------------------------------------

    def update(self, record: NodeRecord) -> None:
        """Take in what is now known of one node; a new node makes the rows anew."""
        self.prepare(record)
        self.add_prepared()

    def prepare(self, record: NodeRecord) -> None:
        """Take in what is now known of a node; a new one is no row yet."""
        profile = self._profile(record)
        row = self.row.get(profile.name)
        if row is None:
            self._prepared[profile.name] = profile
            return
        held = self.nodes[row]
        if held == profile:
            return
        beat = {name: getattr(profile, name) for name in _OF_HEARTBEATS}
        if replace(held, **beat) == profile:
            self._prove(row, profile)
        else:
            self._put(row, profile)

    def add_prepared(self) -> None:
        """Make the rows anew if nodes have come: once for all of them."""
        if self._prepared:
            fresh = [*self.nodes, *self._prepared.values()]
            self._prepared = {}
            self._build(fresh, list(self.claims.held.values()))

    def _profile(self, record: NodeRecord) -> NodeProfile:
        """Reduce a node; facts of a truth that was reduced before are taken from there."""
        truth, ahead = record.truth, record.clock_ahead_seconds
        held = self._reduced.get(record.name)
        known = held[2] if held and held[0] is truth and held[1] == ahead else None
        profile = profile_of(record, self._same, known)
        if truth is not None and profile.facts is not None:
            self._reduced[record.name] = (truth, ahead, profile.facts)
        return profile

    def _prove(self, row: int, profile: NodeProfile) -> None:
        """Take in a heartbeat: what is asked of a node's age is asked every time."""
        self.nodes[row] = profile
        for name in ("last_proof", "lease_seconds"):
            self.numbers[name][row] = _NUMBERS[name](profile)

    def _put(self, row: int, profile: NodeProfile) -> None:
        self._count_live(self.nodes[row], present=False)
        self._count_live(profile, present=True)
        self.nodes[row] = profile
        self._undigested.add(row)
        for name, read in _NUMBERS.items():
            self.numbers[name][row] = read(profile)
        for name, value in _CODED.items():
            self.coded[name].put(row, value(profile))
        for (kind, key), coded in self._keyed.items():
            coded.put(row, _KEYED[kind](profile, key))
        for (kind, key), column in self._keyed_numbers.items():
            column[row] = _KEYED_NUMBERS[kind](profile, key)
        self._count_kept(row)
        self._note(row)

    def _count_kept(self, row: int) -> None:
        node = self.nodes[row]
        self.kept[row] = sum(
            disk.size_bytes
            for disk in (node.facts.persistent_disks if node.facts else ())
            if not self.claims.counts(node.name, disk)
        )

    def _count_live(self, node: NodeProfile, *, present: bool) -> None:
        for uid in node.facts.live if node.facts else ():
            names = self.live.setdefault(uid, set())
            (names.add if present else names.discard)(node.name)
            if not names:
                del self.live[uid]

    def remove(self, *names: str) -> None:
        """Forget nodes; claims on them wait for them to come back."""
        for name in names:
            self._reduced.pop(name, None)
            self._prepared.pop(name, None)
        gone = self.row.keys() & set(names)
        if gone:
            kept = [node for node in self.nodes if node.name not in gone]
            self._build(kept, list(self.claims.held.values()))

    def reserve(self, claim: ClaimRecord) -> None:
        """Count a claim on its node; claiming twice is claiming once."""
        self.release(claim.placement_uid)
        self._note_claim(self.claims.add(claim))

    def release(self, placement_uid: str) -> None:
        """Give a claim back; idempotent."""
        self._note_claim(self.claims.drop(placement_uid))

    @contextmanager
    def without(self, *placement_uids: str) -> Iterator[None]:
        """Be as if a VM had ended, for one judgement: nothing that it holds is in its way."""
        held = [self.claims.held[uid] for uid in placement_uids if uid in self.claims.held]
        for claim in held:
            self.release(claim.placement_uid)
        try:
            yield
        finally:
            for claim in held:
                self.reserve(claim)

    def _note_claim(self, row: int | None) -> None:
        if row is not None:
            self._count_kept(row)
            self._note(~row)

    def _note(self, touched: int) -> None:
        self._log.append(touched)
        if len(self._log) > _LONGEST_LOG:
            half = len(self._log) // 2
            self._dropped += half
            del self._log[:half]

    def content_digest(self) -> bytes:
        """Digest what is known of every node, row by row; a changed row is digested anew."""
        for row in self._undigested:
            self._digests[row] = np.frombuffer(_digest(self.nodes[row]), np.uint8)
        if self._undigested or not self._content:
            self._content = hashlib.sha256(self._digests.tobytes()).digest()
        self._undigested.clear()
        return self._content

    # --- columns on demand -----------------------------------------------------------

    def keyed(self, kind: str, key: Hashable) -> Coded[Any]:
        """Return the column of one label, artefact or capability; made once, then kept."""
        found = self._keyed.get((kind, key))
        if found is None:
            read = _KEYED[kind]
            found = Coded(read(node, key) for node in self.nodes)
            _keep(self._keyed, (kind, key), found)
        return found

    def keyed_numbers(self, kind: str, key: Hashable) -> Column:
        """Return the column of numbers of one capability or size of pages."""
        found = self._keyed_numbers.get((kind, key))
        if found is None:
            read = _KEYED_NUMBERS[kind]
            found = np.fromiter((read(node, key) for node in self.nodes), np.int64, len(self))
            _keep(self._keyed_numbers, (kind, key), found)
        return found


def _rows(found: set[int]) -> Rows:
    return np.array(sorted(found), np.intp)


def _digest(node: NodeProfile) -> bytes:
    """Digest a node without when it was proved: heartbeats change no verdict."""
    taints = [str(taint) for taint in node.taints]
    state = (node.name, node.uid, node.digest, node.scheduling, node.node_ready, node.unschedulable)
    text = json.dumps([*state, sorted(node.labels.items()), taints], separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _keep(columns: dict[tuple[str, Hashable], Any], key: tuple[str, Hashable], found: Any) -> None:
    if len(columns) >= _MOST_KEYED:
        del columns[next(iter(columns))]
    columns[key] = found


def _binaries(facts: Facts) -> Hashable:
    return facts.backends, facts.architecture


def _offered(node: NodeProfile, read: Callable[[Any], int]) -> int:
    if node.facts is None or node.facts.capacity is None:
        return UNDECLARED
    return read(node.facts.capacity)


def _artifact(facts: Facts, name: str) -> Hashable:
    """Return the artefact, or how many files are hidden, or 0: it is not there."""
    found = facts.artifact(name)
    return found if found is not None else facts.artifacts_hidden


def _state(facts: Facts, name: str) -> Hashable:
    found = facts.capabilities.get(name)
    return (found.state, found.reason_code) if found is not None else None


def _pages(facts: Facts, size: int) -> int:
    pages = facts.capacity.hugepages if facts.capacity else ()
    return sum(held * count for held, count in pages if held == size)


__all__ = ["ALWAYS", "NEVER", "NOTHING", "UNDECLARED", "Fleet"]
