"""What one placement is to its agent: the object, the record, the process, and their moves."""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from schedune.api.vmplacement import (
    FINALIZER,
    Ended,
    Exit,
    PlacementState,
    Prepared,
    TraceEntry,
    VMPlacement,
)
from schedune.codes import execution as codes
from schedune.codes.row import Reason, Row
from schedune.fleet.ports import node_ports
from schedune.lifecycle.disks import DiskFate, disks_to_remove, fate_of_disks
from schedune.lifecycle.observation import Observation, Standing
from schedune.lifecycle.readiness import ReadinessPolicy
from schedune.lifecycle.reconcile import Reconciled, reconcile
from schedune.lifecycle.recovery import recover
from schedune.lifecycle.transitions import TERMINAL, move, note
from schedune_agent import vm_users
from schedune_agent.first_record import begin_record
from schedune_agent.guest_data import GuestData, read_guest_data
from schedune_agent.ledger import memory_of
from schedune_agent.node import Node
from schedune_agent.preparation import Preparation
from schedune_agent.record import FORMAT, MOST_TRACE, LaunchRecord, RecordError
from schedune_agent.report import project
from schedune_agent.system.cgroup_limits import Limits
from schedune_agent.trace_log import TraceLog
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.disk_making import DiskMaker
from schedune_agent.vmm.persistent import remove_disks
from schedune_agent.vmm.port import GuestEnd, PlanError, Request, Vm, Vmm, VmmError
from schedune_agent.vmm.process import Confinement, clean, paths_of
from schedune_agent.vmm.taps import tap_names

S = PlacementState
Move = tuple[PlacementState, Reason]
WATCH_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10.0
MISSES_TO_DEGRADE: Final = 3
CONSOLE_LINES: Final = 20
_LOG: Final = logging.getLogger(__name__)


class PlacementOnNode:
    """One placement's state on this node; what is done with it is the worker's."""

    def __init__(self, node: Node, placement: VMPlacement, record: LaunchRecord | None) -> None:
        uid = placement.metadata.uid
        self.placement = placement
        self.record = begin_record(placement, record)
        self.prepared: Prepared | None = placement.status.prepared
        self.trouble: Reason | None = None
        """Why the record cannot be written; while it is set, nothing new is on disk."""
        if self.record.is_of_newer_agent:
            formats = str(self.record.record_format), f"up to {FORMAT}"
            self.trouble = Reason(codes.RECORD_OF_NEWER_AGENT, *formats)
        self._node = node
        self._vm: Vm | None = None
        self._maker = DiskMaker(node.patience, node.copy_turns)
        self._disks_are_settled = False
        self._paths = paths_of(node.settings, uid)
        self._group = uid if node.contained else None
        self._console = ConsoleLog(self._paths.kept)
        self._trace_log = TraceLog(self._paths.kept)
        self.is_down = False
        """The host goes down, and nothing of it runs, nor will until the host is back."""
        self._is_clean = False
        self._is_proved = False
        self._has_record = record is not None
        self._started_at = time.monotonic()
        self._spawned_at: float | None = None
        """When this agent started the VMM (monotonic); None: it did not."""
        self._asked_at = 0.0
        self._misses = 0
        self._stirred_at = float("-inf")
        self._is_at_rest = False
        """Whether the last look found a VM that is well, and nothing to do."""

    @property
    def is_live(self) -> bool:
        """Say whether a VM of this placement runs, or may run."""
        return self.record.may_run

    @property
    def rests(self) -> bool:
        """Say whether the host may go down as far as this placement is concerned."""
        return self.is_down or not self.record.may_run

    @property
    def releasable(self) -> bool:
        """Say whether the finalizer may go: deleted, and the end is proved and stored.

        The disks that go with the workload are gone by then, or are known to stay.
        """
        wanted = self.placement.metadata.deletion_timestamp is not None
        told = self.placement.status.ended is not None and self.record.ended is not None
        told = told and self._disks_are_settled and self._maker.is_idle
        return wanted and told and FINALIZER in self.placement.metadata.finalizers

    def _settle_disks(self) -> None:
        """Nothing of the VM runs: what goes with its workload goes now, if that is known."""
        fate = fate_of_disks(self.placement)
        if fate is DiskFate.REMOVE and self._maker.is_idle:
            names = [one.name for one in disks_to_remove(self.placement)]
            folder = self._node.settings.state_directory
            self._disks_are_settled = remove_disks(folder, self.placement, names)
        else:
            self._disks_are_settled = fate is DiskFate.KEEP

    def hold_claim(self) -> None:
        """Count what was admitted before: an earlier agent's word is kept."""
        if self.record.holds_claim and self.record.claim is not None:
            self._node.ledger.hold(self.record.placement_uid, self.record.claim, self._ports)
            self._node.ledger.hold_user(self.record.placement_uid, self.record.user)

    @property
    def _ports(self) -> frozenset[str]:
        """The ports of the node that lead into the guest."""
        return node_ports(self.placement.spec.launch.networks)

    def let_go(self) -> None:
        """Leave the VM alone; it runs on."""
        self._maker.give_up()
        if self._vm is not None:
            self._vm.close()
            self._vm = None

    def status(self) -> dict[str, object]:
        """Return what the placement's status should say."""
        return project(
            self.placement,
            self.record,
            str(self._vmm.control_socket(self._paths)) if self.record.process else "",
            self.prepared,
            self._node.clock(),
            self.trouble,
        ).render()

    @property
    def _vmm(self) -> Vmm:
        """How its VMM is spoken to.

        Raises:
            LookupError: this agent cannot run such a VMM.
        """
        return adapter_of(self.record.backend)

    def _requests(self) -> list[Request]:
        """Return what the VMM is asked; what a lost record held is put together again.

        Raises:
            VmmError: there is no record, and it cannot be put together now.
        """
        if self.record.argv:
            return [Request.parse(line) for line in self.record.requests]
        try:
            return list(self._preparation().plan().requests)
        except (LookupError, PlanError) as error:
            raise VmmError(f"its record is lost, and no new one can be made: {error}") from error

    def _preparation(self) -> Preparation:
        return Preparation(self.placement, self._node.settings, self._paths, self._node.facts())

    async def _guest_data(self) -> GuestData:
        """Read what is told to the guest.

        Raises:
            GuestDataError: it cannot be read or used.
            LaterError: the API server does not answer.
        """
        placement = self.placement
        namespace = placement.metadata.namespace
        return await read_guest_data(placement.spec.launch.guest, namespace, self._node.read_secret)

    @property
    def _is_lost(self) -> bool:
        """Say whether a VM may run of which there is no record."""
        return not self._has_record or self.record.lost_process is not None

    def _stop_wanted(self) -> bool:
        metadata, spec = self.placement.metadata, self.placement.spec
        return metadata.deletion_timestamp is not None or spec.stop is not None

    @property
    def _is_unwanted(self) -> bool:
        """Say whether nothing is to be started: it is to end, or the host goes down."""
        shutdown = self._node.shutdown
        return self._stop_wanted() or (shutdown is not None and shutdown.is_ordered)

    def _standing(self) -> Standing:
        """Return what the rules read of the record; a new incarnation begins as Pending."""
        state, trace = self.record.state, self.record.trace
        since = timedelta(seconds=time.monotonic() - self._started_at)
        return Standing(
            S.PENDING if state is None or state in TERMINAL else state,
            has_process=self.record.process is not None,
            has_record=not self._is_lost,
            started_at=self._node.clock() - since,
            was_ready=self.record.was_ready,
            told=trace[-1].code if trace else "",
        )

    def _judge(self, observation: Observation, standing: Standing | None = None) -> Reconciled:
        """Say what one look makes of a VM that is proved, by the rule that all agents share."""
        seconds = self.placement.spec.launch.readiness.timeout_seconds
        patience = ReadinessPolicy(seconds, MISSES_TO_DEGRADE)
        standing = standing or self._standing()
        return reconcile(standing, observation, patience, now=self._node.clock())

    def _news(self, observation: Observation) -> Move | None:
        """Say by the rules what one look for the process changes; None: nothing new."""
        if self._is_proved:
            step = self._judge(observation)
            return (step.state, step.reason) if step.reason else None
        found = recover(self._standing(), observation)
        return (found.state, found.reason) if found and found.is_news else None

    # --- the record ----------------------------------------------------------------

    def _move(self, after: PlacementState, reason: Reason, **changes: object) -> None:
        self._walk((after, reason), **changes)

    def _walk(self, *moves: Move, **changes: object) -> None:
        """Move along the table and put it on disk, all of it at once or nothing."""
        state, now, entries = self.record.state, self._node.clock(), []
        for after, reason in moves:
            before = None if state in TERMINAL and after is S.PENDING else state
            entries.append(move(before, after, reason, now))
            state = after
        self._write_down(entries, **changes)

    def _note(self, reason: Reason, **changes: object) -> None:
        """Write a remark that moves nothing into the trace and onto the disk."""
        if self.record.state is not None:
            entry = note(self.record.state, reason, self._node.clock())
            self._write_down([entry], **changes)

    def _write_down(self, entries: Sequence[TraceEntry], **changes: object) -> None:
        trace = [*self.record.trace, *entries][-MOST_TRACE:]
        state = entries[-1].to if entries else self.record.state
        self._keep(state=state, trace=trace, **changes)
        self._trace_log.add(entries, trace)
        for entry in entries:
            _LOG.info(
                "placement.moved",
                extra={
                    "uid": self.record.placement_uid,
                    "to": entry.to.value,
                    "code": entry.code,
                },
            )

    def _keep(self, **changes: object) -> None:
        """Put changes on disk, and only then go by them."""
        record = self.record.model_copy(update=changes)
        try:
            self._node.records.save(record)
        except RecordError as error:
            self.trouble = Reason(codes.RECORD_UNWRITABLE, str(error))
            raise
        self.record, self.trouble = record, None

    def _end(self, row: Row, *moves: Move, **changes: object) -> None:
        """The placement is over: nothing of it runs, and nothing of it will."""
        ended = Ended(time=self._node.clock(), reason=row.reason)
        self._walk(*moves, ended=ended, **changes)
        self._node.ledger.release(self.record.placement_uid)
        self._clean()

    def _clean(self) -> None:
        if not self._is_clean:
            self.let_go()
            if not self._maker.is_idle:
                return  # what is half made is removed by whom it is made
            taps = tap_names(self._node.settings, self.record.placement_uid)
            back = self._take_disks_back()
            self._is_clean = back and clean(self._paths, self._group, taps, self._node.place)

    def _take_disks_back(self) -> bool:
        """Make what outlives the VM ours again, if it was given to a user; say whether it is."""
        try:
            if self.record.user is not None:
                vm_users.take_back(self._preparation().kept_disks(), self._paths.disks)
        except PlanError:
            return True  # it never had any
        except OSError as error:
            _LOG.warning(
                "disks.not-taken-back",
                extra={"uid": self.record.placement_uid, "error": str(error)},
            )
            return False
        return True

    @property
    def _confinement(self) -> Confinement:
        """Within what its VMM is held here."""
        spec = self.placement.spec
        claim = self.record.claim or spec.claim
        user = vm_users.user_of(self.record.user, spec.launch, self.record.backend)
        limits = Limits(memory_of(claim), claim.vcpus)
        return Confinement(self._group, limits, user, self._node.place)

    def _exit(self, end: GuestEnd, code: int | None = None) -> Exit:
        return Exit(
            reason=end.row.reason,
            time=self._node.clock(),
            console_tail=list(self._console.tail(CONSOLE_LINES) or end.console),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
        )

    def _gone(self, end: GuestEnd, code: int | None) -> dict[str, object]:
        """Return what a record says of an incarnation that is proved over."""
        return {
            "process": None,
            "lost_process": None,
            "readiness": None,
            "addresses": [],
            "guest_end": None,
            "last_exit": self._exit(end, code),
        }
