"""One placement on this node: from the object to a running VM and to its proved end.

Level triggered: every step looks at the object, the record and the world, and does the
next thing. Killed anywhere, the next agent goes on from the record.
"""

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
    Refusal,
    TraceEntry,
    VMPlacement,
)
from schedune.api.vmworkload import LaunchMode
from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune.lifecycle.restart import pause_before, restarts
from schedune.lifecycle.transitions import TERMINAL, check_move
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.preparation import Preparation
from schedune_agent.record import LaunchRecord, RecordedProcess, RecordStore
from schedune_agent.report import project
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes
from schedune_agent.vmm.qemu import vm as qemu
from schedune_agent.vmm.qemu.argv import marker
from schedune_agent.vmm.qemu.vm import GuestEnd, QemuVm, VmmError

S = PlacementState
_LOG: Final = logging.getLogger(__name__)
WATCH_SECONDS: Final = 1.0
_WAIT_FOR_GUEST_SECONDS: Final = 0.3
HEARTBEAT_SECONDS: Final = 10.0
_MISSES_TO_DEGRADE: Final = 3
_ANSWER_SECONDS: Final = 3.0


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


class PlacementWorker:
    """Carries out one placement."""

    def __init__(self, node: Node, placement: VMPlacement, record: LaunchRecord | None) -> None:
        uid = placement.metadata.uid
        self.placement = placement
        self.record = record or LaunchRecord(
            placement_uid=uid,
            workload_uid=placement.spec.workload.uid,
            namespace=placement.metadata.namespace,
            name=placement.metadata.name,
        )
        self.prepared: Prepared | None = placement.status.prepared
        self.cleaned = False
        self._node = node
        self._vm: QemuVm | None = None
        self._paths = qemu.paths_of(node.settings.run_directory, uid)
        self._group = uid if node.contained else None
        self._found_again = record is not None
        self._started_at = time.monotonic()
        self._asked_at = 0.0
        self._misses = 0

    @property
    def is_live(self) -> bool:
        """Say whether a VM of this placement runs, or may run."""
        return self.record.process is not None and self.record.ended is None

    @property
    def releasable(self) -> bool:
        """Say whether the finalizer may go: deleted, and the VM proved ended and cleaned."""
        wanted = self.placement.metadata.deletion_timestamp is not None
        return (
            wanted
            and self.record.ended is not None
            and FINALIZER in self.placement.metadata.finalizers
        )

    def status(self) -> dict[str, object]:
        """Return what the placement's status should say."""
        now = self._node.clock()
        return project(
            self.placement, self.record, str(self._paths.monitor), self.prepared, now
        ).render()

    async def step(self) -> float:
        """Do the next thing; return after how many seconds to look again."""
        if self.record.ended is not None:
            self._clean()
            return HEARTBEAT_SECONDS
        if self.placement.spec.mode is not LaunchMode.EXECUTE:
            return self._prepare_only()
        if self._stop_wanted():
            return await self._stop()
        match self.record.state:
            case None | S.PENDING | S.EXITED:
                return self._admit()
            case S.PREPARING | S.VALIDATED | S.LAUNCHING:
                return await self._launch()
            case S.FAILED | S.TERMINATED:
                return HEARTBEAT_SECONDS
            case _:
                return await self._watch()

    def _stop_wanted(self) -> bool:
        metadata, spec = self.placement.metadata, self.placement.spec
        return metadata.deletion_timestamp is not None or spec.stop is not None

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

    # --- admission and preparation -------------------------------------------------

    def _admit(self) -> float:
        if self.record.state is not S.PENDING:
            first = self.record.state is None
            reason = (
                Reason(codes.PREPARING)
                if first
                else Reason(codes.RESTARTING, str(self.record.incarnation))
            )
            self._move(S.PENDING, reason)
        refused = self._refusal()
        if refused is not None:
            self._refuse(S.TERMINATED, refused)
            return 0.0
        self._move(S.PREPARING, Reason(codes.ADMITTED, self._claim_text()))
        return 0.0

    def _refusal(self) -> Reason | None:
        facts, spec = self._node.facts(), self.placement.spec
        if spec.node_uid != self._node.identity.uid:
            return Reason(codes.NODE_REPLACED, self._node.identity.uid, spec.node_uid)
        if not self._node.launches:
            return Reason(
                codes.EXECUTION_REFUSED_RECORDED_NODE, self._node.identity.name, "a real node"
            )
        capacity = facts.capacity if facts else None
        return self._node.ledger.reserve(self.record.placement_uid, spec.claim, capacity)

    def _claim_text(self) -> str:
        claim = self.placement.spec.claim
        return f"{claim.vcpus} vCPUs, {claim.memory} + {claim.overhead_memory}"

    def _refuse(self, state: PlacementState, reason: Reason) -> None:
        refusal = Refusal(
            code=reason.row.code, observed=reason.observed[:256], required=reason.required[:256]
        )
        self._keep(refusal=refusal)
        self._move(state, reason)
        self._end(reason.row)

    def _prepare_only(self) -> float:
        """Validate, and for a dry run leave what would be run; nothing is executed."""
        if self.record.state is S.VALIDATED or self.record.state in TERMINAL:
            return HEARTBEAT_SECONDS
        if self.record.state is None:
            self._move(S.PENDING, Reason(codes.PREPARING))
            self._move(S.PREPARING, Reason(codes.PREPARING))
        objection = self._preparation().objection()
        if objection is not None:
            self._refuse(S.FAILED, objection)
            return 0.0
        if self.placement.spec.mode is LaunchMode.DRY_RUN:
            self.prepared = Prepared(argv=self._preparation().argv())
        self._move(S.VALIDATED, Reason(codes.LAUNCH_VALIDATED))
        return HEARTBEAT_SECONDS

    def _preparation(self) -> Preparation:
        return Preparation(self.placement, self._node.settings, self._paths.run, self._node.facts())

    # --- launch --------------------------------------------------------------------

    async def _launch(self) -> float:
        if self.record.state is S.LAUNCHING:
            return await self._start_or_find()
        self._node.ledger.reserve(
            self.record.placement_uid, self.placement.spec.claim, self._capacity()
        )
        if self.record.state is S.PREPARING:
            objection = self._preparation().objection()
            if objection is not None:
                self._refuse(S.FAILED, objection)
                return 0.0
            self._move(S.VALIDATED, Reason(codes.LAUNCH_VALIDATED))
        self._keep(argv=self._preparation().argv(), process=None)
        self._move(S.LAUNCHING, Reason(codes.LAUNCH_RECORDED))
        return 0.0

    def _capacity(self) -> NodeCapacity | None:
        facts = self._node.facts()
        return facts.capacity if facts else None

    async def _start_or_find(self) -> float:
        """Start the VMM unless an earlier agent did: it is looked for by its marker."""
        record, boot_id = self.record, self._node.identity.boot_id
        try:
            mark = marker(record.placement_uid, self._node.settings.cluster_uid)
            pids = list(processes.find_by_argument(mark))
            process = (
                qemu.record_process(pids[0], record.argv, self._paths, boot_id)
                if pids
                else qemu.start(record.argv, self._paths, boot_id, self._group)
            )
            self._keep(process=process)
            vm = self._take_started(process)
            await qemu.wait_for_monitor(vm.handle, self._paths)
            await vm.verify()
            self._keep(version=vm.version)
            self._move(
                S.STARTING, Reason(codes.VMM_STARTED, f"pid {process.pid}, QEMU {vm.version}")
            )
            self._started_at = time.monotonic()
            await vm.resume()
        except VmmError as error:
            return await self._fail(Reason(codes.SPAWN_FAILED, str(error)))
        return 0.0

    def _take_started(self, process: RecordedProcess) -> QemuVm:
        self._take(process.identity())
        if self._vm is None:
            raise VmmError(f"QEMU ended at once: {qemu.last_words(self._paths)}")
        return self._vm

    def _take(self, identity: processes.ProcessIdentity) -> None:
        handle = processes.prove(identity, self._node.identity.boot_id)
        self._vm = QemuVm(handle, self._paths, self.record.placement_uid) if handle else None

    async def _fail(self, reason: Reason) -> float:
        """A failure before the guest was ready: end what there is, then say so."""
        end = None
        if self._vm is not None and self._vm.handle.is_alive:
            end = GuestEnd(reason.row, await self._vm.console())
            await self._vm.stop(0.0)
        self._record_exit(end or GuestEnd(reason.row))
        self._move(S.FAILED, reason)
        self._end(reason.row)
        return 0.0

    # --- watching ------------------------------------------------------------------

    async def _watch(self) -> float:
        if self._vm is None and not await self._adopt():
            return WATCH_SECONDS
        if self._vm is None:
            return 0.0
        if not self._vm.handle.is_alive:
            code = self._vm.handle.reap()
            told = f"exit code {code}" if code is not None else "exit code unknown"
            return await self._ended(
                GuestEnd(codes.VMM_KILLED), f"{told}; {qemu.last_words(self._paths)}"
            )
        try:
            end = await self._vm.guest_end()
        except VmmError as error:
            return self._unanswered(error)
        if end is not None:
            await self._vm.stop(0.0)
            return await self._ended(end, "")
        return await self._look_at_guest()

    async def _adopt(self) -> bool:
        """Find the recorded process again: proved, proved gone, or unknown."""
        process = self.record.process
        if process is None:
            return False
        try:
            self._take(process.identity())
        except PermissionError as error:
            self._unanswered(error)
            return False
        if self._vm is None:
            await self._ended(GuestEnd(codes.EXIT_UNKNOWN), f"pid {process.pid} is gone")
            return True
        try:
            await self._vm.verify()
            await self._vm.resume()
        except VmmError as error:
            self._vm.close()
            self._vm = None
            self._unanswered(error)
            return False
        self._node.ledger.reserve(
            self.record.placement_uid, self.placement.spec.claim, self._capacity()
        )
        state = S.STARTING if self.record.state is S.UNKNOWN else self.record.state
        if self._found_again and state is not None:
            self._note(
                state, Reason(codes.RECOVERY_CONFIRMED, f"pid {process.pid}"), self.record.state
            )
            self._found_again = False
        elif state is not None and self.record.state is S.UNKNOWN:
            self._move(state, Reason(codes.VMM_STARTED, f"pid {process.pid} answers again"))
        return True

    def _unanswered(self, error: Exception) -> float:
        """Silence is not death: the state is Unknown until something is proved."""
        if self.record.state is not S.UNKNOWN:
            self._move(S.UNKNOWN, Reason(codes.RECOVERY_UNANSWERED, str(error)[:200]))
        return WATCH_SECONDS

    async def _look_at_guest(self) -> float:
        """Climb the readiness ladder, and once at the top ask now and then."""
        if self.record.state in (S.RUNNING, S.DEGRADED):
            return await self._ask_now_and_then()
        if self.record.state is S.UNKNOWN:
            self._move(S.STARTING, Reason(codes.VMM_STARTED, "the VMM answers again"))
        wanted = self.placement.spec.launch.readiness
        if wanted.level == "Backend":
            self._reach("R2", None)
            self._move(
                S.RUNNING, Reason(codes.GUEST_READY, "the VMM says that the guest runs (R2)")
            )
            return WATCH_SECONDS
        self._reach("R2", None)
        boot_id = await self._answer()
        if boot_id is not None:
            self._reach("R4", boot_id)
            told = f"the guest answered a nonce (R4), its boot id is {boot_id}"
            self._move(S.RUNNING, Reason(codes.GUEST_READY, told))
            return WATCH_SECONDS
        if time.monotonic() - self._started_at > wanted.timeout_seconds:
            limit = f"{wanted.timeout_seconds} s"
            return await self._fail(
                Reason(codes.READY_TIMEOUT, "the guest answered no nonce", limit)
            )
        return _WAIT_FOR_GUEST_SECONDS

    async def _answer(self) -> str | None:
        return await self._vm.ask_guest(_ANSWER_SECONDS) if self._vm else None

    def _reach(self, rung: str, boot_id: str | None) -> None:
        if self.record.readiness is None or self.record.readiness.rung != rung:
            since = self._node.clock()
            self._keep(readiness=ReadinessStatus(rung=rung, since=since, guest_boot_id=boot_id))

    async def _ask_now_and_then(self) -> float:
        asks = self.placement.spec.launch.readiness.level == "Guest"
        if asks and time.monotonic() - self._asked_at > HEARTBEAT_SECONDS:
            self._asked_at = time.monotonic()
            self._misses = 0 if await self._answer() else self._misses + 1
            if self._misses >= _MISSES_TO_DEGRADE and self.record.state is S.RUNNING:
                self._move(
                    S.DEGRADED, Reason(codes.GUEST_SILENT, f"{self._misses} questions in a row")
                )
            if self._misses == 0 and self.record.state is S.DEGRADED:
                self._move(S.RUNNING, Reason(codes.GUEST_READY, "the guest answers again (R4)"))
        return WATCH_SECONDS

    # --- the end -------------------------------------------------------------------

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

    async def _ended(self, end: GuestEnd, told: str) -> float:
        """An incarnation is proved over: another one, or the end of the placement."""
        was_starting = self.record.state is S.STARTING
        if self._vm is not None:
            self._vm.close()
            self._vm = None
        self._record_exit(end)
        self._move(S.EXITED, Reason(end.row, told))
        policy = self.placement.spec.launch.restart_policy
        if was_starting and end.row in (codes.VMM_KILLED, codes.EXIT_UNKNOWN):
            self._end(codes.EXITED_EARLY)
        elif restarts(policy, end.row.reason):
            pause = pause_before(self.record.incarnation, end.row.reason)
            self._keep(incarnation=self.record.incarnation + 1)
            return pause
        else:
            self._end(end.row)
        return 0.0

    async def _stop(self) -> float:
        """End the VM in order; the claim is given back when it is proved gone."""
        state = self.record.state
        if state in TERMINAL or state in (None, S.PENDING):
            if state not in TERMINAL:
                self._move_to_terminated()
            self._end(codes.STOP_REQUESTED)
            return 0.0
        if state is not S.TERMINATING:
            stop = self.placement.spec.stop
            told = (
                f"{stop.reason}: ordered by the operator" if stop else "the placement was deleted"
            )
            self._move(S.TERMINATING, Reason(codes.STOP_REQUESTED, told))
        self._find()
        end = GuestEnd(codes.HOST_STOPPED)
        if self._vm is not None:
            try:
                end = await self._vm.stop(self._grace())
            except VmmError as error:
                _LOG.error(
                    "placement.stop-failed",
                    extra={"uid": self.record.placement_uid, "error": str(error)},
                )
                return WATCH_SECONDS
        self._record_exit(end)
        self._move(S.TERMINATED, Reason(end.row, "by order"))
        self._end(end.row)
        return 0.0

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

    def _move_to_terminated(self) -> None:
        if self.record.state is None:
            self._move(S.PENDING, Reason(codes.PREPARING))
        self._move(S.TERMINATED, Reason(codes.STOP_REQUESTED, "before anything was started"))

    def _grace(self) -> float:
        spec = self.placement.spec
        return float(
            spec.stop.grace_seconds if spec.stop else spec.launch.termination_grace_seconds
        )
