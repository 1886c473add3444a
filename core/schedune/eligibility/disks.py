"""Persistent disks stay where they are."""

from collections.abc import Iterable, Iterator

import numpy as np

from schedune.codes import placement
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question
from schedune.eligibility.freshness import ages_seconds
from schedune.fleet.column import Mask
from schedune.fleet.fleet import Fleet
from schedune.fleet.profile import NodeProfile
from schedune.fleet.view import View
from schedune.launch.intent import Intent


def check_persistent_disks(question: Question) -> Iterable[Finding]:
    """Object everywhere but where a disk is; everywhere, where nobody can know where it is."""
    for disk in question.intent.persistent_disks:
        yield from _check_disk(question, disk)


def _check_disk(question: Question, disk: str) -> Iterator[Finding]:
    view, intent = question.view, question.intent
    holders = _holders(view.fleet, intent, disk)
    if holders:
        names = ", ".join(sorted(holders))
        elsewhere = np.fromiter(
            (view.node(at).name not in holders for at in range(len(view))), np.bool_, len(view)
        )
        yield Finding(
            f"persistentDisk/{disk}",
            placement.PERSISTENT_DISK_ELSEWHERE,
            elsewhere,
            lambda at: Reason(placement.PERSISTENT_DISK_ELSEWHERE, names, "this node", disk),
            change=lambda at: f"disk {disk} is given up (it is on {names})",
        )
        return
    lost = [
        one for one in intent.homes if one.disk == disk and not _exists(view.fleet, one.node_uid)
    ]
    if lost:
        gone = lost[0].node_name
        yield Finding(
            f"persistentDisk/{disk}",
            placement.PERSISTENT_DISK_LOST,
            view.every(),
            lambda at: Reason(placement.PERSISTENT_DISK_LOST, gone, "the disk", disk),
            change=lambda at: f"disk {disk} is given up (it was on {gone}, which is gone)",
        )
        return
    yield from _check_silent(question, disk)


def _holders(fleet: Fleet, intent: Intent, disk: str) -> set[str]:
    """Return the nodes that list the disk; else that where it was made, if it is still there.

    A truth may be older than the disk. Whoever took the file away gets a fresh one there.
    """
    listed = {node.name for node in fleet.nodes if holds_disk(node, intent, disk)}
    made = {one.node_uid for one in intent.homes if one.disk == disk}
    return listed or {node.name for node in fleet.nodes if node.uid in made}


def holds_disk(node: NodeProfile, intent: Intent, disk: str) -> bool:
    """Say whether a node lists a workload's disk."""
    listed = node.facts.persistent_disks if node.facts else ()
    return any(one.disk == disk and intent.owns(one) for one in listed)


def _exists(fleet: Fleet, uid: str) -> bool:
    return any(node.uid == uid for node in fleet.nodes)


def _check_silent(question: Question, disk: str) -> Iterator[Finding]:
    """A silent node to which this workload was bound may hold the disk."""
    intent, everywhere = question.intent, View(question.view.fleet)
    bound = {one.node_name for one in intent.history} | {one.node_name for one in intent.homes}
    silent = _silent(Question(everywhere, intent, question.policy, question.now))
    suspects = sorted(
        bound.intersection(everywhere.node(int(at)).name for at in np.flatnonzero(silent))
    )
    if not suspects:
        return
    names = ", ".join(suspects)
    yield Finding(
        f"persistentDisk/{disk}",
        placement.PERSISTENT_DISK_UNKNOWN,
        question.view.every(),
        lambda at: Reason(placement.PERSISTENT_DISK_UNKNOWN, names, "its word", disk),
        change=lambda at: f"{names} is heard of again, or disk {disk} is given up",
    )


def _silent(question: Question) -> Mask:
    return np.asarray(ages_seconds(question) > question.view.number("lease_seconds"), np.bool_)
