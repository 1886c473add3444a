"""What no placement accounts for, with the order that an administrator would give."""

import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from pydantic import Field

from schedune.api.base import ApiModel
from schedune.api.nodetruth import NodeTruth, Orphan, OrphanAction, OrphanOrder
from schedune.codes.table import TABLE
from schedune.lifecycle.orphans import OrphanClass

_TO_BE_ENDED: Final = (OrphanClass.SPLIT, OrphanClass.SUPERSEDED, OrphanClass.LEAKED)


class OrphanListing(ApiModel):
    """One process on one node, or what is left of one."""

    node_name: str
    """The node."""
    orphan: Orphan
    """What its agent tells of it."""
    remedy: str = ""
    """What to do before anything is ordered."""
    command: str = ""
    """The order, for a shell; empty: there is one already, or there is no process to order of."""


class OrderListing(ApiModel):
    """One order, and what became of it."""

    node_name: str
    """The node."""
    order: OrphanOrder
    """What its agent tells of it."""


class UnlistedOrphans(ApiModel):
    """Orphans that a node's truth has no room for."""

    node_name: str
    """The node."""
    count: int
    """How many."""


class OrphanReport(ApiModel):
    """All orphans of the fleet."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["OrphanReport"] = "OrphanReport"
    orphans: list[OrphanListing] = Field(default_factory=list)
    """By node, the most urgent of each first."""
    unlisted: list[UnlistedOrphans] = Field(default_factory=list)
    """Less urgent ones, by node: they are told of as soon as the listed ones are fewer."""
    orders: list[OrderListing] = Field(default_factory=list)
    """Orders that stand, by node."""
    unread: list[str] = Field(default_factory=list)
    """Nodes whose truth cannot be read: what runs there is unknown."""


def report_orphans(truths: Iterable[NodeTruth], unread: Iterable[str] = ()) -> OrphanReport:
    """Return the orphans that agents tell of, and of which nodes nobody knows."""
    held = sorted(truths, key=lambda one: one.metadata.name)
    return OrphanReport(
        orphans=[listing for truth in held for listing in _listings(truth)],
        unlisted=[
            UnlistedOrphans(node_name=truth.metadata.name, count=truth.status.orphans_truncated)
            for truth in held
            if truth.status.orphans_truncated
        ],
        orders=[
            OrderListing(node_name=truth.metadata.name, order=one)
            for truth in held
            for one in truth.status.orphan_orders
        ],
        unread=sorted(unread),
    )


def _listings(truth: NodeTruth) -> Iterator[OrphanListing]:
    standing = [(one.pid, one.start_time, one.boot_id) for one in truth.spec.orphan_actions]
    for orphan in truth.status.orphans:
        row = TABLE.get(orphan.code or "")
        needs_none = (
            orphan.pid is None or (orphan.pid, orphan.start_time, orphan.boot_id) in standing
        )
        yield OrphanListing(
            node_name=truth.metadata.name,
            orphan=orphan,
            remedy=row.remedy if row else "",
            command="" if needs_none else order_command(truth, orphan),
        )


def order_command(truth: NodeTruth, orphan: Orphan) -> str:
    """Return the order for a shell, with those that stand: a merge patch replaces lists."""
    action = "Terminate" if orphan.class_ in _TO_BE_ENDED else "Ignore"
    fresh = OrphanAction.model_validate(
        {
            "pid": orphan.pid,
            "startTime": orphan.start_time,
            "bootID": orphan.boot_id,
            "action": action,
        }
    )
    orders = [one.render() for one in (*truth.spec.orphan_actions, fresh)]
    patch = json.dumps({"spec": {"orphanActions": orders}}, separators=(",", ":"))
    name = shlex.quote(truth.metadata.name)
    return f"kubectl patch nodetruth {name} --type=merge -p {shlex.quote(patch)}"
