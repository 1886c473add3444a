"""What one placement is to its agent: the object, the record, the process, and their moves."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import NodeCapacity, NodeTruthStatus
from schedune.api.vmplacement import (
    FINALIZER,
    Ended,
    Exit,
    PlacementState,
    Prepared,
    ReadinessStatus,
    TraceEntry,
    VMPlacement,
)
from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune.lifecycle.transitions import TERMINAL, check_move
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.record import LaunchRecord, RecordStore
from schedune_agent.report import project
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes
from schedune_agent.vmm.qemu import vm as qemu
from schedune_agent.vmm.qemu.argv import marker
from schedune_agent.vmm.qemu.vm import GuestEnd, QemuVm

S = PlacementState
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Node:
    """What a worker knows of where it works."""

    settings: AgentSettings
    identity: NodeIdentity
    records: RecordStore
    ledger: Ledger
    facts: Callable[[], NodeTruthStatus | None]
    clock: Callable[[], datetime]
    launches: bool
    """False on a recorded node: validate and prepare only."""
    contained: bool
    """Whether VMs get control groups of their own."""


class PlacementOnNode:
    """One placement's state on this node; what is done with it is the worker's."""

    def __init__(self, node: Node, placement: VMPlacement, record: LaunchRecord | None) -> None:
        uid = placement.metadata.uid
        self.placement = placement
        self.record = record or _fresh_record(placement)
        self.prepared: Prepared | None = placement.status.prepared
        self.cleaned = False
        self._node = node
        self._vm: QemuVm | None = None
        self._paths = qemu.paths_of(node.settings.run_directory, uid)
        self._group = uid if node.contained else None
        self._found_again = record is not None
        self._record_lost = record is None and placement.status.vmm is not None
        self._started_at = time.monotonic()
        self._asked_at = 0.0
        self._misses = 0

    @property
    def is_live(self) -> bool:
        """Say whether a VM of this placement runs, or may run."""
        return self.record.process is not None and self.record.ended is None

    @property
    def releasable(self) -> bool:
        """Say whether the finalizer may go: deleted, and the end is proved and stored."""
        wanted = self.placement.metadata.deletion_timestamp is not None
        told = self.placement.status.ended is not None and self.record.ended is not None
        return wanted and told and FINALIZER in self.placement.metadata.finalizers

    def status(self) -> dict[str, object]:
        """Return what the placement's status should say."""
        now = self._node.clock()
        return project(
            self.placement, self.record, str(self._paths.monitor), self.prepared, now
        ).render()

    def _move(self, after: PlacementState, reason: Reason) -> None:
        before = self.record.state
        if before in TERMINAL and after is S.PENDING:
            before = None
        check_move(before, after)
        self._note(after, reason, before)

    def _note(self, after: PlacementState, reason: Reason, before: PlacementState | None) -> None:
        """Write a move, or a remark, into the trace and onto the disk."""
        entry = TraceEntry(
            time=self._node.clock(),
            from_=before,
            to=after,
            code=reason.row.code,
            message=reason.message[:1024],
        )
        trace = [*self.record.trace, entry]
        self._keep(state=after, trace=trace)
        _LOG.info(
            "placement.moved",
            extra={"uid": self.record.placement_uid, "to": after.value, "code": reason.row.code},
        )

    def _keep(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        self._node.records.save(self.record)

    def _end(self, row: Row) -> None:
        """The placement is over: nothing of it runs, and nothing of it will."""
        self._node.ledger.release(self.record.placement_uid)
        self._keep(ended=Ended(time=self._node.clock(), reason=row.reason))
        self._clean()

    def _clean(self) -> None:
        if not self.cleaned:
            if self._vm is not None:
                self._vm.close()
                self._vm = None
            qemu.clean(self._paths, self._group)
            self.cleaned = True

    def _take(self, identity: processes.ProcessIdentity) -> None:
        handle = processes.prove(identity, self._node.identity.boot_id)
        self._vm = QemuVm(handle, self._paths, self.record.placement_uid) if handle else None

    def _find(self) -> None:
        """Take hold of the process, recorded or started just before an agent was killed."""
        if self._vm is None and self.record.process is not None:
            self._take(self.record.process.identity())
        if self._vm is None:
            mark = marker(self.record.placement_uid, self._node.settings.cluster_uid)
            for pid in processes.find_by_argument(mark):
                found = processes.read_identity(pid, self._node.identity.boot_id)
                if found is not None:
                    self._take(found)

    def _capacity(self) -> NodeCapacity | None:
        facts = self._node.facts()
        return facts.capacity if facts else None

    def _let_go(self) -> int | None:
        """Leave an ended process: collect its exit code, so that no zombie stays."""
        if self._vm is None:
            return None
        code = self._vm.handle.reap()
        self._vm.close()
        self._vm = None
        return code

    def _record_exit(self, end: GuestEnd, code: int | None = None) -> None:
        self._keep(
            process=None,
            readiness=None,
            last_exit=Exit(
                reason=end.row.reason,
                time=self._node.clock(),
                console_tail=list(end.console),
                exit_code=code if code is not None and code >= 0 else None,
                signal=-code if code is not None and code < 0 else None,
            ),
        )

    def _reach(self, rung: str, boot_id: str | None) -> None:
        if self.record.readiness is None or self.record.readiness.rung != rung:
            since = self._node.clock()
            self._keep(readiness=ReadinessStatus(rung=rung, since=since, guest_boot_id=boot_id))

    def _see_reboot(self, boot_id: str | None) -> None:
        """A guest's reboot stays in its process; a new boot id is how it shows."""
        held = self.record.readiness
        if boot_id and held is not None and held.guest_boot_id not in (None, boot_id):
            now = self._node.clock()
            self._keep(readiness=ReadinessStatus(rung="R4", since=now, guest_boot_id=boot_id))
            state = self.record.state or S.RUNNING
            self._note(state, Reason(codes.GUEST_REBOOTED), state)


def _fresh_record(placement: VMPlacement) -> LaunchRecord:
    """Begin a record; what the status tells of an earlier one that was lost is kept."""
    status = placement.status
    return LaunchRecord(
        placement_uid=placement.metadata.uid,
        workload_uid=placement.spec.workload.uid,
        namespace=placement.metadata.namespace,
        name=placement.metadata.name,
        state=status.state,
        incarnation=max(1, status.incarnation),
        trace=status.trace,
        readiness=status.readiness,
        last_exit=status.last_exit,
        refusal=status.refusal,
        ended=status.ended,
    )
