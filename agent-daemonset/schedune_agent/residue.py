"""What is left of VMs of which nothing is known any more: removed when nobody uses it.

Only what is named by a placement's UID in our own folders is looked at; a control group
that nothing else names may be another agent's. Persistent disks are not named so.
"""

import logging
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import Orphan
from schedune.api.text import shorten
from schedune.codes import recovery
from schedune.codes.row import Reason, Row
from schedune.lifecycle.orphans import OrphanClass
from schedune_agent.node import Node
from schedune_agent.record import record_file
from schedune_agent.system import cgroup, processes
from schedune_agent.system.locks import is_locked
from schedune_agent.system.sockets import is_listened_at
from schedune_agent.vmm.process import clean, paths_of

_UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LOG: Final = logging.getLogger(__name__)


class Residue:
    """Looks for what was left; what two sweeps saw, and nobody uses, is removed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before: frozenset[str] = frozenset()
        self._standing: dict[str, Reason] = {}
        """Why each that is still there could not be removed."""

    @property
    def standing(self) -> list[Orphan]:
        """What the last sweep could not remove, and why, as a NodeTruth tells it."""
        return [_describe(uid, reason) for uid, reason in sorted(self._standing.items())]

    def sweep(self, accounted: Collection[str]) -> None:
        """Remove what is left of placements that are not accounted for.

        Raises:
            OSError: one of our folders may not be looked into.
        """
        left = frozenset(uid for uid in self._names() if uid not in accounted)
        for uid in sorted(left & self._before):
            self._remove(uid)
        self._before = left
        self._standing = {uid: told for uid, told in self._standing.items() if uid in left}

    def _names(self) -> set[str]:
        paths = paths_of(self._node.settings, "any")
        roots = [one.parent for one in (paths.run, paths.disks, paths.kept)]
        names = {entry.name for root in roots if root.is_dir() for entry in root.iterdir()}
        # Of what could not be removed, perhaps only a control group is left.
        names |= self._standing.keys()
        state = self._node.settings.state_directory
        return {
            name for name in names if _UID.fullmatch(name) and not record_file(state, name).exists()
        }

    def _folders(self, uid: str) -> list[Path]:
        paths = paths_of(self._node.settings, uid)
        return [one for one in (paths.run, paths.disks, paths.kept) if os.path.lexists(one)]

    def _remove(self, uid: str) -> None:
        """Remove it, or say why it stays: one that does keeps no other from being removed."""
        try:
            reason = self._try_to_remove(uid)
        except OSError as error:
            reason = _reason(recovery.RESIDUE_NOT_REMOVED, uid, str(error))
        told = self._standing.pop(uid, None)
        if reason.row is not recovery.RESIDUE_REMOVED:
            self._standing[uid] = reason
        if reason != told:
            extra = {"uid": uid, "code": reason.row.code, "what": reason.message}
            _LOG.warning("residue.found", extra=extra)

    def _try_to_remove(self, uid: str) -> Reason:
        folders = self._folders(uid)
        used = next(self._uses(uid, folders), None)
        if used is not None:
            return _reason(recovery.RESIDUE_IN_USE, uid, used)
        told = ", ".join(map(str, folders)) or "no folder of it was there any more"
        is_clean = clean(paths_of(self._node.settings, uid), uid)
        if is_clean:
            self._node.records.remove(uid)
        left = ", ".join(map(str, self._folders(uid)))
        if left or not is_clean:
            told = left or "its control group is busy"
            return _reason(recovery.RESIDUE_NOT_REMOVED, uid, told)
        return _reason(recovery.RESIDUE_REMOVED, uid, told)

    def _uses(self, uid: str, folders: Collection[Path]) -> Iterator[str]:
        """Give who uses it, the cheapest to find out first."""
        for pid in sorted(cgroup.processes_in(uid)):
            yield f"pid {pid} is in its control group"
        yield from _who_names(uid)
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode) and is_locked(path):
                    yield f"{path} is locked"
                if stat.S_ISSOCK(mode) and is_listened_at(path):
                    yield f"somebody listens at {path}"


def _who_names(uid: str) -> Iterator[str]:
    for pid, argv in processes.list_processes():
        if argv is None:
            yield f"pid {pid} may name it: its command line may not be seen"
        elif any(uid in part for part in argv):
            yield f"pid {pid} names it"


def _reason(row: Row, uid: str, observed: str) -> Reason:
    return Reason(row, observed, subject=f"VM {uid}")


def _describe(uid: str, reason: Reason) -> Orphan:
    return Orphan(
        class_=OrphanClass.RESIDUE,
        code=reason.row.code,
        placement_uid=uid,
        message=shorten(reason.message, 1024),
    )
