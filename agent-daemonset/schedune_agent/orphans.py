"""VMs that no placement accounts for: looked for, counted and told of, never acted on.

Two kinds (superseded: the record is there, its placement is gone; leaked: there is
nothing but the process). What is proved gone is forgotten, with what it left behind.
"""

import logging
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from schedune.api.nodetruth import Orphan
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.placement_base import Node
from schedune_agent.record import LaunchRecord
from schedune_agent.system import processes
from schedune_agent.system.processes import ProcessIdentity
from schedune_agent.vmm.qemu import vm as qemu
from schedune_agent.vmm.qemu.argv import placement_of, read_claim

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Marked:
    """A process that carries the marker of a placement of this cluster."""

    identity: ProcessIdentity
    claim: Claim | None


class Orphans:
    """Keeps the records that have no worker, and looks for processes that have no record."""

    def __init__(self, node: Node) -> None:
        self.records: dict[str, LaunchRecord] = {}
        """Records whose placement is not known, or no longer."""
        self.found: list[Orphan] = []
        """What the last sweep saw."""
        self._node = node
        self._leaked: set[str] = set()

    def load(self) -> None:
        """Read the records of earlier agents, and count what they hold before any admission."""
        self.records = self._node.records.load_all()
        for uid, record in self.records.items():
            claim = record.claim or read_claim(record.argv)
            if record.holds_claim and claim is not None:
                self._node.ledger.hold(uid, claim)

    def sweep(self, known: AbstractSet[str]) -> None:
        """Look for every VM that is not of a known placement.

        Raises:
            OSError: what is left of a VM that is gone cannot be removed.
        """
        marked = self._marked()
        for uid in [uid for uid in self.records if uid not in known]:
            if uid not in marked and not self._runs(self.records[uid]):
                self._forget(uid)
        for uid, one in marked.items():
            if uid not in self._node.ledger.held and one.claim is not None:
                self._node.ledger.hold(uid, one.claim)
        orphans = {uid: one for uid, one in marked.items() if uid not in known}
        leaked = orphans.keys() - self.records.keys()
        for uid in self._leaked - leaked - known - self.records.keys():
            self._node.ledger.release(uid)
        for uid in leaked - self._leaked:
            _LOG.error("orphan.leaked", extra={"uid": uid, "pid": orphans[uid].identity.pid})
        self._leaked = leaked
        self.found = [self._describe(uid, one) for uid, one in sorted(orphans.items())][:64]

    def _marked(self) -> dict[str, _Marked]:
        """Return the VMs of this node by placement: marked, with their socket where we put it."""
        found, settings = {}, self._node.settings
        for pid, argv in processes.list_command_lines():
            uid = placement_of(argv, settings.cluster_uid)
            if uid is None:
                continue
            socket = str(qemu.paths_of(settings, uid).monitor)
            if any(socket in part for part in argv):
                identity = processes.read_identity(pid, self._node.identity.boot_id)
                if identity is not None:
                    found[uid] = _Marked(identity, read_claim(argv))
        return found

    def _runs(self, record: LaunchRecord) -> bool:
        """Say whether the recorded process may run; only proof says that it does not."""
        told = record.process or record.lost_process
        if told is None or told.boot_id != self._node.identity.boot_id:
            return False
        try:
            found = processes.read_identity(told.pid, told.boot_id)
        except PermissionError:
            return True
        return found is not None and found.start_time == told.start_time

    def _forget(self, uid: str) -> None:
        """Nothing of it runs and no placement is left: remove what it left, give back its claim."""
        _LOG.info("placement.forgotten", extra={"uid": uid})
        qemu.clean(
            qemu.paths_of(self._node.settings, uid),
            uid if self._node.contained else None,
        )
        self._node.ledger.release(uid)
        self._node.records.remove(uid)
        del self.records[uid]

    def _describe(self, uid: str, one: _Marked) -> Orphan:
        record, claim = self.records.get(uid), one.claim
        told = "its launch record is lost, and no VMPlacement has its UID"
        if record is not None:
            told = f"its VMPlacement {record.namespace}/{record.name} is gone"
        return Orphan(
            class_="superseded" if record is not None else "leaked",
            pid=one.identity.pid,
            start_time=one.identity.start_time,
            boot_id=one.identity.boot_id,
            backend=Backend.QEMU,
            placement_uid=uid,
            claim=f"{claim.vcpus} vCPUs, {claim.memory}" if claim is not None else "unknown",
            message=f"{told}; it runs on, counted as reserved, until someone ends the process",
        )
