"""One placement on this node: from the object to a running VM and to its proved end.

Level triggered: every step looks at the object, the record and the world, and does the
next thing. Killed anywhere, the next agent goes on from the record.
"""

import logging
import time
from typing import Final

from schedune.api.vmplacement import (
    PlacementState,
    Prepared,
    Refusal,
)
from schedune.api.vmworkload import LaunchMode
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.restart import pause_before, restarts
from schedune.lifecycle.transitions import TERMINAL
from schedune_agent.placement_base import PlacementOnNode
from schedune_agent.preparation import Preparation
from schedune_agent.record import RecordedProcess
from schedune_agent.system import processes
from schedune_agent.vmm.qemu import vm as qemu
from schedune_agent.vmm.qemu.vm import GuestEnd, QemuVm, VmmError

S = PlacementState
_LOG: Final = logging.getLogger(__name__)
WATCH_SECONDS: Final = 1.0
_WAIT_FOR_GUEST_SECONDS: Final = 0.3
HEARTBEAT_SECONDS: Final = 10.0
_MISSES_TO_DEGRADE: Final = 3
_ANSWER_SECONDS: Final = 3.0


class PlacementWorker(PlacementOnNode):
    """Carries out one placement."""

    async def step(self) -> float:
        """Do the next thing; return after how many seconds to look again."""
        if self.record.ended is not None:
            self._clean()
            return HEARTBEAT_SECONDS
        if self.placement.spec.mode is not LaunchMode.EXECUTE:
            return self._prepare_only()
        if self._record_lost:
            return await self._recover_lost()
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

    async def _start_or_find(self) -> float:
        """Start the VMM unless an earlier agent did: it is looked for by its marker."""
        found = False
        try:
            self._find()
            found = self._vm is not None
            process = self._recorded() if found else self._start()
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
            if found:
                return self._unanswered(error)
            return await self._fail(Reason(codes.SPAWN_FAILED, str(error)))
        return 0.0

    def _start(self) -> RecordedProcess:
        boot_id = self._node.identity.boot_id
        return qemu.start(self.record.argv, self._paths, boot_id, self._group)

    def _recorded(self) -> RecordedProcess:
        """Return the process that was found by its marker, as a record holds it."""
        if self._vm is None:
            raise VmmError("the process that was found is gone")
        found = self._vm.handle.identity
        return RecordedProcess(
            pid=found.pid,
            start_time=found.start_time,
            boot_id=found.boot_id,
            executable=found.executable,
            argv_digest=found.argv_digest,
        )

    def _take_started(self, process: RecordedProcess) -> QemuVm:
        if self._vm is None:
            self._take(process.identity())
        if self._vm is None:
            raise VmmError(f"QEMU ended at once: {qemu.last_words(self._paths)}")
        return self._vm

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
            return await self._ended(GuestEnd(codes.VMM_KILLED), qemu.last_words(self._paths))
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
        self._node.ledger.hold(self.record.placement_uid, self.placement.spec.claim)
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

    async def _recover_lost(self) -> float:
        """The record is lost, the status tells of a VM: find it, or prove that it is dead."""
        vmm = self.placement.status.vmm
        self._find()
        if self._vm is not None:
            self._record_lost = False
            self._found_again = True
            self._keep(process=self._recorded(), version=vmm.version if vmm else None)
            return 0.0
        boot_id = self._node.identity.boot_id
        try:
            this_boot = vmm is not None and vmm.boot_id == boot_id
            held = processes.read_identity(vmm.pid, boot_id) if vmm and this_boot else None
        except PermissionError as error:
            return self._unanswered(error)
        if vmm and held and held.start_time == vmm.start_time:
            told = f"pid {vmm.pid} of the lost record runs, but carries no marker"
            if self.record.state is not S.UNKNOWN:
                self._move(S.UNKNOWN, Reason(codes.RECORD_LOST, told))
            return WATCH_SECONDS
        self._record_lost = False
        if self.record.state in TERMINAL or self._stop_wanted():
            return 0.0
        return await self._ended(GuestEnd(codes.EXIT_UNKNOWN), "its record was lost")

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

    async def _ask_now_and_then(self) -> float:
        asks = self.placement.spec.launch.readiness.level == "Guest"
        if asks and time.monotonic() - self._asked_at > HEARTBEAT_SECONDS:
            self._asked_at = time.monotonic()
            boot_id = await self._answer()
            self._misses = 0 if boot_id else self._misses + 1
            self._see_reboot(boot_id)
            if self._misses >= _MISSES_TO_DEGRADE and self.record.state is S.RUNNING:
                self._move(
                    S.DEGRADED, Reason(codes.GUEST_SILENT, f"{self._misses} questions in a row")
                )
            if self._misses == 0 and self.record.state is S.DEGRADED:
                self._move(S.RUNNING, Reason(codes.GUEST_READY, "the guest answers again (R4)"))
        return WATCH_SECONDS

    # --- the end -------------------------------------------------------------------

    async def _ended(self, end: GuestEnd, told: str) -> float:
        """An incarnation is proved over: another one, or the end of the placement."""
        was_starting = self.record.state is S.STARTING
        code = self._let_go()
        if not told and code is not None:
            told = f"exit code {code}"
        self._record_exit(end, code)
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
        self._find()
        state = self.record.state
        if state in TERMINAL or (state in (None, S.PENDING) and self._vm is None):
            if state not in TERMINAL:
                self._move_to_terminated()
            self._end(codes.STOP_REQUESTED)
            return 0.0
        if state is not S.TERMINATING:
            self._begin_to_end()
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
        self._record_exit(end, self._let_go())
        self._move(S.TERMINATED, Reason(end.row, "by order"))
        self._end(end.row)
        return 0.0

    def _begin_to_end(self) -> None:
        """Move to Terminating; a process that was found without a record moves there too."""
        stop = self.placement.spec.stop
        told = f"{stop.reason}: ordered by the operator" if stop else "the placement was deleted"
        if self.record.state is None:
            self._move(S.PENDING, Reason(codes.PREPARING))
        if self.record.state is S.PENDING:
            self._move(S.PREPARING, Reason(codes.PREPARING))
        self._move(S.TERMINATING, Reason(codes.STOP_REQUESTED, told))

    def _move_to_terminated(self) -> None:
        if self.record.state is None:
            self._move(S.PENDING, Reason(codes.PREPARING))
        self._move(S.TERMINATED, Reason(codes.STOP_REQUESTED, "before anything was started"))

    def _grace(self) -> float:
        spec = self.placement.spec
        return float(
            spec.stop.grace_seconds if spec.stop else spec.launch.termination_grace_seconds
        )
