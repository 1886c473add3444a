"""What is published, and when: the object to write, what it would change, and the pace.

Pure: whoever calls gives the time, and does the writing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from schedune.api.base import API_VERSION, Condition
from schedune.api.nodetruth import (
    MOST_LIVE_VMS,
    MOST_ORPHANS,
    DeclaredCapacity,
    LiveVM,
    NodeTruthStatus,
    Orphan,
    OrphanAction,
    OrphanOrder,
)
from schedune_agent.facts import agent_conditions, why_lines
from schedune_agent.published import publish_form

Raw = dict[str, Any]
_OUTSIDE: Final = ("observedTime", "durationMilliseconds")
"""Said with the rest, but no reason to write: when, and how long it took."""


@dataclass(frozen=True, slots=True)
class HeldTruth:
    """What we need to know of the NodeTruth that the API server holds."""

    version: int
    generation: int
    owner_uid: str | None
    """UID of the Node that owns it; None: it was made by hand and belongs to no Node."""
    declared: DeclaredCapacity | None
    orders: tuple[OrphanAction, ...]
    """What administrators order about orphans."""
    digest: str | None
    conditions: tuple[Condition, ...]


def read_held(raw: Raw) -> HeldTruth:
    """Read what the API server holds; a part that cannot be read counts as absent."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    owners = [one for one in metadata.get("ownerReferences") or () if one.get("kind") == "Node"]
    return HeldTruth(
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation") or 0),
        owner_uid=owners[0].get("uid") if owners else None,
        declared=_declared((raw.get("spec") or {}).get("capacity")),
        orders=tuple(_orders((raw.get("spec") or {}).get("orphanActions") or ())),
        digest=status.get("digest"),
        conditions=tuple(_conditions(status.get("conditions") or ())),
    )


def _declared(raw: object) -> DeclaredCapacity | None:
    try:
        return DeclaredCapacity.model_validate(raw) if raw is not None else None
    except ValidationError:
        return None


def _orders(raws: Sequence[object]) -> list[OrphanAction]:
    try:
        return [OrphanAction.model_validate(one) for one in raws]
    except ValidationError:
        return []


def _conditions(raws: Sequence[object]) -> list[Condition]:
    try:
        return [Condition.model_validate(raw) for raw in raws]
    except ValidationError:
        return []


def new_truth(name: str, node_uid: str) -> Raw:
    """Return an empty NodeTruth that goes with its Node."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
    return {
        "apiVersion": API_VERSION,
        "kind": "NodeTruth",
        "metadata": {"name": name, "ownerReferences": [owner]},
    }


def status_body(
    name: str,
    facts: NodeTruthStatus,
    digest: str,
    held: HeldTruth,
    now: datetime,
    *,
    live: Sequence[LiveVM],
    orphans: Sequence[Orphan],
    orders: Sequence[OrphanOrder],
) -> Raw:
    """Return our part of the object, bound to the object as we looked at it.

    A UID would be no precondition: the API server passes it over when a status is written.
    """
    known = {one.type: one for one in held.conditions}
    fresh = agent_conditions(facts, now, held.generation)
    status = facts.model_copy(
        update={
            "conditions": [_keep_transition(one, known.get(one.type)) for one in fresh],
            "digest": digest,
            "live_vms": list(live)[:MOST_LIVE_VMS],
            "orphan_orders": list(orders),
            "orphans": list(orphans)[:MOST_ORPHANS],
            "orphans_truncated": max(0, len(orphans) - MOST_ORPHANS) or None,
            "why": why_lines(facts, live),
        }
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "NodeTruth",
        "metadata": {"name": name, "resourceVersion": str(held.version)},
        "status": publish_form(status),
    }


def _keep_transition(fresh: Condition, known: Condition | None) -> Condition:
    """Move lastTransitionTime only when the status moved."""
    if known is None or known.status != fresh.status:
        return fresh
    return fresh.model_copy(update={"last_transition_time": known.last_transition_time})


def says_the_same(fresh: Raw, written: Raw) -> bool:
    """Compare by what is said, not by when it was said or how long it took."""
    return bool(_without_times(fresh.get("status")) == _without_times(written.get("status")))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if key not in _OUTSIDE}
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    return value


def would_grow_stale(fresh: Raw, written: Raw) -> bool:
    """Say whether an answer with a lifetime was seen again and half of the written one is over.

    Its time is no fact and changes no digest; unwritten, it would run out though it holds.
    """
    before = {one["name"]: one for one in _capabilities(written) if "observedTime" in one}
    return any(
        one["name"] in before and _age_s(before[one["name"]], one) * 2 >= one["staleAfterSeconds"]
        for one in _capabilities(fresh)
        if one.get("staleAfterSeconds")
    )


def _capabilities(body: Mapping[str, Any]) -> Sequence[Raw]:
    return (body.get("status") or {}).get("capabilities") or ()


def _age_s(before: Raw, now: Raw) -> float:
    then, seen = (datetime.fromisoformat(one["observedTime"]) for one in (before, now))
    return (seen - then).total_seconds()


@dataclass
class Pace:
    """Lets a burst of writes through, then one per gap (seconds of a monotonic clock)."""

    gap_s: float
    burst: int
    _spent_until: float = float("-inf")
    """When the whole burst would be there again."""

    def wait_s(self, now: float) -> float:
        """Return how long the next write has to wait."""
        return max(0.0, self._spent_until - now - self.gap_s * (self.burst - 1))

    def wrote(self, now: float) -> None:
        """Count a write, also one that did not wait."""
        self._spent_until = max(self._spent_until, now) + self.gap_s
