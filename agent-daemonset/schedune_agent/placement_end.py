"""How it ends: an incarnation by itself, a start that failed, a placement by order.

Each end is written down whole, after it is proved: a crash leaves either a VM that is
still to be ended, or an end with all that follows from it.
"""

import contextlib
import logging
import signal
import time
from dataclasses import replace
from datetime import datetime
from typing import Final

from schedune.codes import confinement
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.observation import Observation, Sighting, Standing
from schedune.lifecycle.recovery import recover
from schedune.lifecycle.restart import restarts
from schedune.lifecycle.transitions import TERMINAL
from schedune_agent.placement_base import WATCH_SECONDS, Move, S
from schedune_agent.placement_process import PlacementProcess
from schedune_agent.record import RecordError
from schedune_agent.system.cgroup_limits import memory_kills
from schedune_agent.vmm.asking import GraceLeft, no_grace
from schedune_agent.vmm.port import GuestEnd, Vm, VmmError
from schedune_agent.vmm.process import last_words

_LOG: Final = logging.getLogger(__name__)
_SEEN_BEFORE: Final = {
    row.reason: row
    for row in (
        codes.STOPPED_BY_GUEST, codes.GUEST_PANICKED, codes.GUEST_REBOOT_LOOP, codes.HOST_SHUTDOWN,
    )
}  # fmt: skip
"""Ends that are written down before the VMM is ended for them."""
_UNSEEN: Final = (codes.VMM_KILLED, codes.EXIT_UNKNOWN)


class PlacementEnd(PlacementProcess):
    """A placement that can come to its end."""

    async def _end_vmm(self, vm: Vm, end: GuestEnd) -> float:
        """The guest has ended and its VMM waits: remember how, then end the VMM too."""
        if self.record.guest_end is None:
            self._keep(guest_end=self._exit(end))
        await vm.stop(no_grace)
        return self._ended(end, "")

    def _seen_end(self) -> GuestEnd | None:
        """Return how the guest ended, if that was written down before the VMM was gone."""
        seen = self.record.guest_end
        row = _SEEN_BEFORE.get(seen.reason) if seen else None
        return GuestEnd(row, tuple(seen.console_tail)) if seen and row else None

    def _found_dead(self, vm: Vm) -> float:
        """The process ended without an order."""
        code = self._reap()
        end = self._seen_end() or vm.exit_seen(code)
        return self._ended(end, last_words(self._paths), code)

    def _ended(self, end: GuestEnd, told: str, code: int | None = None) -> float:
        """An incarnation is proved over: another one, or the end of the placement."""
        code = self._reap() if code is None else code
        if end.row in _UNSEEN and (why := self._out_of_memory(code)) is not None:
            end, told = GuestEnd(why.row), why.observed if self.record.was_ready else why.message
        if not told and code is not None:
            told = f"exit code {code}"
        is_early = not self.record.was_ready and end.row in (*_UNSEEN, confinement.OUT_OF_MEMORY)
        told_early = is_early and end.row is confinement.OUT_OF_MEMORY
        cause = None if told_early or end.row is codes.VMM_KILLED else end.row
        moves = self._moves_to_end(Observation(Sighting.GONE, exit_cause=cause, detail=told))
        gone = self._gone(end, code)
        policy, reason = self.placement.spec.launch.restart_policy, end.row.reason
        if is_early:
            self._end(codes.EXITED_EARLY, *moves, **gone)
        elif restarts(policy, reason) or self._was_cut_short(end):
            quick_ends = self.record.count_quick_end(reason, self._node.clock())
            following = self.record.incarnation + 1
            self._walk(*moves, incarnation=following, quick_ends=quick_ends, **gone)
            self.let_go()
        else:
            self._end(end.row, *moves, **gone)
        self._is_proved = False
        return 0.0

    def _out_of_memory(self, code: int | None) -> Reason | None:
        """Say it if the kernel killed the VMM for want of memory in its own control group."""
        killed = code is None or code == -signal.SIGKILL
        if not killed or self._group is None or not memory_kills(self._group):
            return None
        claim = self.record.claim or self.placement.spec.claim
        held = f"{claim.memory} for the guest and {claim.overhead_memory} for its VMM"
        return Reason(confinement.OUT_OF_MEMORY, held)

    def _was_cut_short(self, end: GuestEnd) -> bool:
        """Say whether the host went down before the guest was ready: that is no try at all."""
        return end.row is codes.HOST_SHUTDOWN and not self.record.was_ready

    async def _shut_down(self) -> float:
        """The host goes down: end the guest in order, and start nothing until it is back."""
        self._maker.give_up()
        self._find()
        vm = self._vm
        # What is proved gone holds no host up, though it cannot be written down.
        self.is_down = vm is None or not vm.handle.is_alive
        if vm is None and self.record.process is not None:
            return self._ended(self._seen_end() or GuestEnd(codes.EXIT_UNKNOWN), self._last_seen())
        if vm is None:
            return WATCH_SECONDS
        if not vm.handle.is_alive:
            return self._found_dead(vm)
        end = GuestEnd(codes.HOST_SHUTDOWN)
        with contextlib.suppress(RecordError):
            # Before it is ended: the host may be gone before its end can be written down.
            self._keep(guest_end=self._exit(end))
        try:
            how = await vm.stop(self._grace_left(since=None))
        except VmmError as error:
            _LOG.error(
                "placement.shutdown-failed",
                extra={"uid": self.record.placement_uid, "error": str(error)},
            )
            return WATCH_SECONDS
        self.is_down = True
        return self._ended(end, how.row.reason)

    def _moves_to_end(self, gone: Observation, standing: Standing | None = None) -> list[Move]:
        """Return the moves by the rules: what ended unwatched is first told as found so."""
        moves, standing = list[Move](), standing or self._standing()
        found = None if self._is_proved else recover(standing, gone)
        if found is not None:
            moves += [(found.state, found.reason)] if found.is_news else []
            standing = replace(standing, state=found.state, told=found.reason.row.code)
        last = self._judge(gone, standing)
        return [*moves, (last.state, last.reason)] if last.reason else moves

    def _last_seen(self) -> str:
        process = self.record.process
        return f"pid {process.pid} is gone" if process else "no process carries its marker"

    async def _fail(self, reason: Reason) -> float:
        """A failure before the guest was ready: end what there is, then say so."""
        self._find()
        if self._vm is not None and self._vm.handle.is_alive:
            self._beware_of_rivals(self._vm)
            await self._vm.stop(no_grace)
        gone = self._gone(GuestEnd(reason.row), self._reap())
        self._end(reason.row, (S.FAILED, reason), **gone)
        return 0.0

    async def _stop(self) -> float:
        """End the VM in order; the claim is given back when it is proved gone."""
        self._maker.give_up()
        self._find()
        if self._vm is None and self.record.state in TERMINAL:
            self._end(codes.STOP_REQUESTED)
            return 0.0
        if self._vm is None and self.record.state in (None, S.PENDING):
            reason = Reason(codes.STOP_REQUESTED, "before anything was started")
            self._end(reason.row, *self._moves_to_pending(), (S.TERMINATED, reason))
            return 0.0
        is_over = self._vm is None and self.record.may_run
        if self._vm is not None:
            self._beware_of_rivals(self._vm)
        with contextlib.suppress(RecordError):
            # On a full disk the VM is ended all the same: that may be what makes room.
            self._walk(*self._moves_to_terminating())
        try:
            end, done, code = self._found_over() if is_over else await self._stop_all()
        except VmmError as error:
            _LOG.error(
                "placement.stop-failed",
                extra={"uid": self.record.placement_uid, "error": str(error)},
            )
            return WATCH_SECONDS
        moves = self._moves_to_terminating()
        self._end(end.row, *moves, done, **self._gone(end, code))
        return 0.0

    async def _stop_all(self) -> tuple[GuestEnd, Move, int | None]:
        """End the VM, and what it left of itself when it was ended: a copy made by a fork.

        Raises:
            VmmError: one does not end.
            UnprovedError: what carries its marker is not proved to be it, or is a second VM.
        """
        end, code = self._seen_end() or GuestEnd(codes.HOST_STOPPED), None
        grace_left = self._grace_left(self._ending_since())
        while self._vm is not None:
            self._beware_of_rivals(self._vm)
            end = await self._vm.stop(grace_left)
            code = self._reap()
            self.let_go()
            self._find()
        return end, (S.TERMINATED, Reason(end.row, "by order")), code

    def _found_over(self) -> tuple[GuestEnd, Move, int | None]:
        """Return how a VM ended that was to be ended and was gone before this agent began."""
        gone = Observation(Sighting.GONE, detail=self._last_seen())
        move = self._moves_to_end(gone, replace(self._standing(), state=S.TERMINATING))[-1]
        return self._seen_end() or GuestEnd(codes.EXIT_UNKNOWN), move, None

    def _moves_to_pending(self) -> list[Move]:
        if self.record.state is None or self.record.state in TERMINAL:
            return [(S.PENDING, Reason(codes.PREPARING))]
        return []

    def _moves_to_terminating(self) -> list[Move]:
        """Return the moves; a process that was found without a record moves there too."""
        if self.record.state is S.TERMINATING:
            return []
        stop = self.placement.spec.stop
        told = f"{stop.reason}: ordered by the operator" if stop else "the placement was deleted"
        moves = self._moves_to_pending()
        if moves or self.record.state is S.PENDING:
            moves.append((S.PREPARING, Reason(codes.PREPARING)))
        return [*moves, (S.TERMINATING, Reason(codes.STOP_REQUESTED, told))]

    def _ending_since(self) -> datetime | None:
        """Return since when the VM is being ended, be it by an agent before; None: nobody knows."""
        moves = (one for one in reversed(self.record.trace) if one.from_ is not one.to)
        return next((one.time for one in moves if one.to is S.TERMINATING), None)

    def _grace_left(self, since: datetime | None) -> GraceLeft:
        """Return what is left of the grace since then; the placement is asked at each look.

        The clock may have been set meanwhile: that takes of the grace, and never adds to it.
        """
        spent_s = (self._node.clock() - since).total_seconds() if since else 0.0
        began = time.monotonic() - max(0.0, spent_s)
        return lambda: self._grace() - (time.monotonic() - began)

    def _grace(self) -> float:
        spec = self.placement.spec
        return float(
            spec.stop.grace_seconds if spec.stop else spec.launch.termination_grace_seconds
        )
