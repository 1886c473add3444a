"""From the object to a VMM: admitted, validated, written down, started.

The record is written before each effect, so that whatever exists can be found again.
"""

import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from schedune.api.vmplacement import Prepared, Refusal
from schedune.api.vmworkload import LaunchMode
from schedune.codes import confinement
from schedune.codes import disks as disk_codes
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.observation import Observation, Sighting
from schedune.lifecycle.readiness import judge_readiness
from schedune.lifecycle.transitions import TERMINAL
from schedune_agent import vm_users
from schedune_agent.guest_data import GuestDataError
from schedune_agent.live_networks import objection_to_networks
from schedune_agent.own_node import NodeReplacedError
from schedune_agent.placement_base import HEARTBEAT_SECONDS, WATCH_SECONDS, Move, S
from schedune_agent.placement_recovery import PlacementRecovery
from schedune_agent.record import RecordedProcess
from schedune_agent.system.patience import LaterError, unbroken
from schedune_agent.vmm.disk_files import DiskError, DiskGoneError, check_sources
from schedune_agent.vmm.disk_making import Wanted
from schedune_agent.vmm.port import GuestEnd, LaunchPlan, PlanError, Vm, VmmError, VmmRefusalError
from schedune_agent.vmm.process import last_words, start
from schedune_agent.vmm.seed import make_seed
from schedune_kube.errors import ApiError

_PREPARING: Final = Reason(codes.PREPARING)
_CONTROL_SECONDS: Final = 120.0
"""How long a VMM that was started may be silent before it is ended: among many it is slow."""


class PlacementLaunch(PlacementRecovery):
    """A placement that can be launched, or prepared only."""

    # --- admission and preparation -------------------------------------------------

    async def _admit(self) -> float:
        left = self.record.pause_left(self._node.clock())
        if left > 0:
            return left
        moves = list[Move]()
        if self.record.state is not S.PENDING:
            first = self.record.state is None
            following = Reason(codes.RESTARTING, str(self.record.incarnation))
            moves.append((S.PENDING, _PREPARING if first else following))
        refused = self._refusal()
        if refused is not None and refused.row is codes.LEDGER_FULL:
            # The operator goes by what was declared at once, we look once per heartbeat. If it
            # cannot be looked at, it is refused by what is known, and placed anew.
            with suppress(ApiError, NodeReplacedError):
                await self._node.look_at_declared()
            refused = self._refusal()
        if refused is not None:
            self._refuse(*moves, (S.TERMINATED, refused))
            return 0.0
        admitted = Reason(codes.ADMITTED, self._claim_text())
        self._walk(*moves, (S.PREPARING, admitted), user=self._held_user)
        return 0.0

    def _refusal(self) -> Reason | None:
        spec, identity = self.placement.spec, self._node.identity
        if spec.node_uid != identity.uid:
            return Reason(codes.NODE_REPLACED, identity.uid, spec.node_uid)
        if not self._node.launches:
            return Reason(codes.EXECUTION_REFUSED_RECORDED_NODE, identity.name, "a real node")
        return self._reserve()

    def _reserve(self) -> Reason | None:
        """Hold what it needs of the node, a user of its own too, or say why the node cannot."""
        facts, launch = self._node.facts(), self.placement.spec.launch
        uid, claim = self.record.placement_uid, self.placement.spec.claim
        refused = self._node.ledger.reserve(
            uid, claim, facts.capacity if facts else None, self._ports
        )
        address, place = self._node.settings.port_forward_address, self._node.place
        return refused or objection_to_networks(launch, address, place) or self._reserve_user()

    def _reserve_user(self) -> Reason | None:
        users, uid = self._node.vm_users, self.record.placement_uid
        if users is None or self.record.user is not None:
            return None
        number = vm_users.choose(users, uid, self._node.ledger)
        if number is None:
            self._node.ledger.release(uid)
            return Reason(confinement.NO_VM_USER, required=str(users.count))
        self._node.ledger.hold_user(uid, number)
        return None

    @property
    def _held_user(self) -> int | None:
        """Who the VM is to run as; None: as we do."""
        return self._node.ledger.users.get(self.record.placement_uid)

    def _claim_text(self) -> str:
        claim = self.placement.spec.claim
        return f"{claim.vcpus} vCPUs, {claim.memory} + {claim.overhead_memory}"

    def _refuse(self, *moves: Move) -> None:
        """End a placement of which nothing was started, for the reason of the last move."""
        reason = moves[-1][1]
        refusal = Refusal(
            code=reason.row.code, observed=reason.observed[:256], required=reason.required[:256]
        )
        self._end(reason.row, *moves, refusal=refusal)

    async def _objection(self) -> Reason | None:
        """Return the first thing that stands against the launch, the guest's data included.

        Raises:
            LaterError: what has to be known for that gives no answer now.
        """
        objection = await self._local_objection()
        if objection is not None:
            return objection
        try:
            await self._guest_data()
        except GuestDataError as error:
            return error.reason
        return None

    async def _local_objection(self) -> Reason | None:
        """Return the first thing on this node that stands against the launch.

        Raises:
            LaterError: an image root does not answer.
        """
        users, number = self._node.vm_users, self._held_user
        if users is not None and number is None:
            number = users.first  # of a dry run; what one may open all may
        return await self._preparation().objection(number, self._node.patience)

    @property
    def _validated(self) -> Reason:
        recorded = self._node.settings.facts_file is not None
        return Reason(codes.LAUNCH_VALIDATED, "recorded" if recorded else "live")

    async def _prepare_only(self) -> float:
        """Validate, and for a dry run leave what would be run; nothing is executed."""
        if self.record.state in TERMINAL:
            return HEARTBEAT_SECONDS
        if self.record.state is None:
            self._walk((S.PENDING, _PREPARING), (S.PREPARING, _PREPARING))
        shows = self.placement.spec.mode is LaunchMode.DRY_RUN and self.prepared is None
        if self.record.state is S.VALIDATED and not shows:
            return HEARTBEAT_SECONDS
        objection = await self._objection()
        if objection is not None:
            self._refuse((S.FAILED, objection))
            return 0.0
        if shows:
            plan = self._preparation().plan()
            requests = list(map(str, plan.requests))
            self.prepared = Prepared(argv=list(plan.argv), binary=plan.binary, requests=requests)
        if self.record.state is not S.VALIDATED:
            self._move(S.VALIDATED, self._validated)
        return HEARTBEAT_SECONDS

    # --- launch --------------------------------------------------------------------

    async def _launch(self) -> float:
        if not self._maker.is_idle:
            return WATCH_SECONDS
        if self.record.state is S.LAUNCHING:
            return await self._start_or_find()
        self._beware_of_lost_disks()
        objection = self._reserve() or await self._objection()
        if objection is not None:
            self._refuse((S.FAILED, objection))
            return 0.0
        moves = list[Move]()
        if self.record.state is S.PREPARING:
            moves.append((S.VALIDATED, self._validated))
        plan = _in_record(self._preparation().plan())
        recorded = Reason(codes.LAUNCH_RECORDED)
        self._walk(*moves, (S.LAUNCHING, recorded), user=self._held_user, **plan)
        return 0.0

    async def _start_or_find(self) -> float:
        """Start the VMM unless an earlier agent did: it is looked for by its marker."""
        self._find()
        found = self._vm is not None
        if not found and self.record.process is not None:
            return self._ended(GuestEnd(codes.EXIT_UNKNOWN), self._last_seen())
        if not found and not self.record.argv:
            return await self._write_plan()
        if not found and (pause := await self._look_once_more()) is not None:
            return pause
        if not found and (pause := await self._make_disks()) is not None:
            return pause
        try:
            vm = self._vm or self._take_started(await self._start())
            self._keep(process=RecordedProcess.of(vm.handle.identity))
            await vm.await_control()
            await vm.verify()
            if self._spawned_at is None and not self._is_proved:
                self._see_proved(RecordedProcess.of(vm.handle.identity))
            self._is_proved = True
            told = f"pid {vm.handle.identity.pid}, {self.record.backend.value} {vm.version}"
            self._move(S.STARTING, Reason(codes.VMM_STARTED, told), version=vm.version)
            self._started_at = time.monotonic()
            await self._begin(vm)
        except VmmRefusalError as error:
            return await self._fail(error.reason)
        except VmmError as error:
            return await self._not_up(error)
        return 0.0

    async def _not_up(self, error: VmmError) -> float:
        """The VMM does not answer: one that lives has its time, on a busy node it needs it."""
        if self._vm is None or not self._vm.handle.is_alive:
            return await self._fail(Reason(codes.SPAWN_FAILED, str(error)))
        if self._spawned_at is None or self.record.state is not S.LAUNCHING:
            return self._unproved(Sighting.UNRESPONSIVE, error)
        now = self._node.clock()
        waited = timedelta(seconds=time.monotonic() - self._spawned_at)
        deadline = now - waited + timedelta(seconds=_CONTROL_SECONDS)
        seen = Observation(Sighting.UNRESPONSIVE, detail=str(error)[:200])
        verdict = judge_readiness(self.record.backend, seen, deadline=deadline, now=now)
        if verdict.reason is not None:
            return await self._fail(verdict.reason)
        if self.record.trace[-1].code != codes.RECOVERY_UNANSWERED.code:
            self._note(Reason(codes.RECOVERY_UNANSWERED, seen.detail))
        return WATCH_SECONDS

    async def _begin(self, vm: Vm) -> None:
        """Let the guest run, and write down what its user may miss.

        Raises:
            VmmError: the VMM refused, or did not answer.
        """
        await vm.begin(self._requests())
        for remark in vm.remarks():
            self._note(remark)
        self._see_left_open(vm)
        self._see_survival(vm)

    async def _write_plan(self) -> float:
        """Put together again what a lost record held; nothing of it runs."""
        objection = self._reserve() or await self._local_objection()
        if objection is not None:
            self._refuse((S.FAILED, objection))
        else:
            self._keep(user=self._held_user, **_in_record(self._preparation().plan()))
        return 0.0

    async def _look_once_more(self) -> float | None:
        """Validate again what may have changed since the plan was written down; None: nothing."""
        node, preparation = self._node, self._preparation()
        objection = await preparation.late_objection(node.boot_files, node.patience)
        return None if objection is None else await self._fail(objection)

    async def _make_disks(self) -> float | None:
        """Make what is missing of the disks, a large one while others are served.

        None: all are there, and it is to start; else after how many seconds to look again.
        """
        node, preparation = self._node, self._preparation()
        wanted = Wanted(
            preparation.disks(),
            preparation.firmware(),
            self.record.backend,
            self.placement.metadata.namespace,
            self._paths.disks,
        )
        self._beware_of_lost_disks()
        try:
            await check_sources(wanted.disks, node.settings.image_roots, node.patience)
            if not await self._maker.are_ready(wanted):
                return WATCH_SECONDS
            await self._make_seed()
            self._hand_over()
        except DiskError as error:
            return await self._fail(Reason(error.row, str(error)))
        except GuestDataError as error:
            return await self._fail(error.reason)
        except OSError as error:
            # Nothing runs yet: no right that is missing here is one to see a process.
            raise LaterError(f"the disks: {error}") from error
        return 0.0 if self._is_unwanted else None

    def _beware_of_lost_disks(self) -> None:
        """See that a VM which ran here before finds what its guest wrote: no disk is made anew.

        Raises:
            DiskGoneError: a Persistent disk is not there.
        """
        if self.record.has_run:
            for path in self._preparation().kept_disks():
                if not os.path.lexists(path):
                    raise DiskGoneError(str(path))

    def _hand_over(self) -> None:
        """Give the VM's user what was made for it; what is shared stays ours.

        Raises:
            DiskError: something cannot be given: what is there is not what was made.
        """
        user, preparation = self._confinement.user, self._preparation()
        if user is None:
            return
        try:
            top = self._node.settings.state_directory
            vm_users.hand_over(top, preparation.disks(), preparation.firmware(), user)
        except OSError as error:
            raise DiskError(str(error), disk_codes.DISK_UNUSABLE) from error

    async def _start(self) -> RecordedProcess:
        plan = self._recorded_plan()
        self._console.begin(self.record.incarnation)
        self._spawned_at = time.monotonic()
        return await start(plan, self._paths, self._node.identity.boot_id, self._confinement)

    def _recorded_plan(self) -> LaunchPlan:
        """Return what the record says is run, with what it is given as this launch would be now.

        Raises:
            VmmError: nothing could be launched now.
        """
        argv = self.record.argv
        program = self.record.binary or argv[0]
        try:
            plan = self._preparation().plan()
        except (LookupError, PlanError) as error:
            raise VmmError(str(error)) from error
        reach = plan.reach and replace(plan.reach, reads=(Path(program), *plan.reach.reads))
        return replace(plan, binary=program, argv=tuple(argv), requests=(), reach=reach)

    async def _make_seed(self) -> None:
        """Make the disk that tells the guest who it is, anew for each incarnation."""
        if self.placement.spec.launch.guest is None:
            return
        files = (await self._guest_data()).files(self.record.placement_uid, self.record.incarnation)
        await unbroken(partial(make_seed, self._paths, files))

    def _take_started(self, process: RecordedProcess) -> Vm:
        self._take(process.identity())
        if self._vm is None:
            raise VmmError(f"the VMM ended at once: {last_words(self._paths)}")
        return self._vm


def _in_record(plan: LaunchPlan) -> dict[str, object]:
    """Return a plan as the record keeps it."""
    return {
        "binary": plan.binary,
        "argv": list(plan.argv),
        "requests": list(map(str, plan.requests)),
    }
