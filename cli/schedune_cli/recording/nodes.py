"""One node as a decision wants it: its Node, its truth, and when that was last proved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import Identity, NodeTruth, NodeTruthStatus
from schedune.decision.digest import digest_of
from schedune.fleet.node import NodeRecord, Taint
from schedune_cli.problems import Problem
from schedune_cli.reading.numbers import uncountable
from schedune_cli.reading.objects import Item
from schedune_cli.reading.validation import validate
from schedune_cli.recording.kubernetes import (
    DEFAULT_LEASE_SECONDS,
    Lease,
    Node,
    read_part,
    stamp_of,
)

_UNSAID: Final = "recorded"
_FACTS: Final = ("cpu", "capabilities", "backends", "capacity", "artifacts")


@dataclass(frozen=True, slots=True)
class Parts:
    """What was recorded about one node."""

    name: str
    node: Item | None
    truth: Item | None
    lease: Item | None


def read_record(parts: Parts, *, is_whole: bool) -> tuple[NodeRecord | None, list[Problem]]:
    """Return a node, and what of it cannot be read; None: nothing of it can.

    Where the recording is no whole snapshot, a truth may stand alone: it is taken as its
    Node's own, and the Node as Ready and open.
    """
    problems: list[Problem] = []
    node = read_part(Node, parts.node, problems) if parts.node else None
    lease = read_part(Lease, parts.lease, problems) if parts.lease else None
    truth = _read_truth(parts.truth, problems, is_whole=is_whole)
    if node is None and (truth is None or is_whole):
        return None, problems
    if truth is not None and not is_whole:
        truth = _vouched(truth, _uid(parts.name, node, truth))
    record = NodeRecord(
        name=parts.name,
        uid=_uid(parts.name, node, truth),
        truth=truth,
        last_proof=_last_proof(truth, parts.truth, lease, is_whole=is_whole),
        lease_seconds=lease.believed_seconds if lease else DEFAULT_LEASE_SECONDS,
        last_heard=lease.seen if lease else None,
        node_ready=node.is_ready if node else True,
        unschedulable=node.spec.unschedulable if node else False,
        labels=node.metadata.labels if node else _assumed_labels(parts.name, truth),
        taints=_taints(node),
    )
    return record, problems


def _read_truth(item: Item | None, problems: list[Problem], *, is_whole: bool) -> NodeTruth | None:
    """Return a truth that can be decided with; an administrator's alone holds no facts."""
    if item is None:
        return None
    found = validate(NodeTruth, item)
    if not isinstance(found, NodeTruth):
        problems += found
        return None
    wrong = list(uncountable(found, item))
    if not wrong and not is_whole and not _has_facts(found.status):
        remedy = "record it with its status: kubectl get ntruth -o yaml, or schedune snapshot"
        wrong.append(Problem(item.place, "status", "", "holds no facts of the node", remedy))
    problems += wrong
    return None if wrong else found


def _has_facts(status: NodeTruthStatus) -> bool:
    return any(getattr(status, name) for name in _FACTS)


def _uid(name: str, node: Node | None, truth: NodeTruth | None) -> str:
    if node is not None and node.metadata.uid:
        return node.metadata.uid
    identity = truth.status.identity if truth else None
    return identity.node_uid if identity else f"{_UNSAID}-{name.replace('.', '-')}"


def _vouched(truth: NodeTruth, uid: str) -> NodeTruth:
    """Complete what only a running agent says: whose facts these are, and their digest."""
    status = truth.status
    changes: dict[str, object] = {}
    if status.identity is None:
        changes["identity"] = Identity(
            node_uid=uid, machine_id=_UNSAID, boot_id=_UNSAID, agent_version=_UNSAID
        )
    if status.digest is None:
        changes["digest"] = digest_of(status.render())
    return truth.model_copy(update={"status": status.model_copy(update=changes)})


def _last_proof(
    truth: NodeTruth | None, item: Item | None, lease: Lease | None, *, is_whole: bool
) -> datetime | None:
    """Return when exactly these facts were vouched for: by a heartbeat, or by being written."""
    if truth is None or item is None:
        return None
    written = stamp_of(item.raw) or truth.status.observed_time
    if written is None and not is_whole:
        written = max((one.observed_time for one in truth.status.capabilities), default=None)
    beat = lease.seen if lease and lease.digest and lease.digest == truth.status.digest else None
    return max((one for one in (written, beat) if one is not None), default=None)


def _assumed_labels(name: str, truth: NodeTruth | None) -> Mapping[str, str]:
    """Give a Node that was not recorded what a kubelet would have put on it."""
    cpu = truth.status.cpu if truth else None
    given = truth.metadata.labels if truth else {}
    own = {"kubernetes.io/hostname": name}
    return {**own, **({"kubernetes.io/arch": cpu.architecture} if cpu else {}), **given}


def _taints(node: Node | None) -> tuple[Taint, ...]:
    taints = node.spec.taints if node else []
    return tuple(Taint(one.key, one.value, one.effect) for one in taints)
