"""Finding a VM again: after the agent's end, a silence, or the loss of its record.

A process is proved to be ours, proved gone, or unknown; only the first two move on.
"""

from typing import Final

from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune_agent.placement_base import WATCH_SECONDS, S
from schedune_agent.placement_end import PlacementEnd
from schedune_agent.record import MAY_RUN, RecordedProcess
from schedune_agent.vmm.qemu import vm as qemu
from schedune_agent.vmm.qemu.vm import GuestEnd, VmmError

_ENDS_BY_ITSELF: Final = frozenset({S.STARTING, S.RUNNING, S.DEGRADED, S.UNKNOWN})


class PlacementRecovery(PlacementEnd):
    """A placement whose VM can be found again."""

    async def _adopt(self) -> float | None:
        """Take charge of the VM; else return after how many seconds to look again."""
        self._find()
        if self._vm is None:
            return self._ended(self._seen_end() or GuestEnd(codes.EXIT_UNKNOWN), self._last_seen())
        if not self._vm.handle.is_alive:
            end = self._seen_end() or GuestEnd(codes.VMM_KILLED)
            return self._ended(end, qemu.last_words(self._paths))
        try:
            await self._vm.verify()
            await self._vm.resume()
        except VmmError as error:
            return self._unanswered(error)
        process = RecordedProcess.of(self._vm.handle.identity)
        changes = {"process": process, "version": self._vm.version}
        if self._found_again:
            self._note(Reason(codes.RECOVERY_CONFIRMED, f"pid {process.pid}"), **changes)
            self._found_again = False
        elif self.record.process != process:
            self._keep(**changes)
        return None

    def _last_seen(self) -> str:
        process = self.record.process
        return f"pid {process.pid} is gone" if process else "no process carries its marker"

    def _unanswered(self, error: Exception) -> float:
        """Silence is not death: the state is Unknown until something is proved."""
        self._become_unknown(Reason(codes.RECOVERY_UNANSWERED, str(error)[:200]))
        return WATCH_SECONDS

    def _become_unknown(self, reason: Reason, **changes: object) -> None:
        if self.record.state is not S.UNKNOWN:
            self._walk(*self._moves_to_pending(), (S.UNKNOWN, reason), **changes)
        elif changes:
            self._keep(**changes)

    def _recover_lost(self) -> float | None:
        """Without a record a VM may run all the same: look for it before anything else.

        None: that is settled, go on; else the seconds until the next look.
        """
        self._find()
        if self._vm is not None:
            self._take_over(RecordedProcess.of(self._vm.handle.identity))
            return None
        told = self.record.lost_process
        if told is not None and self._still_runs(told.pid, told.start_time, told.boot_id):
            seen = f"pid {told.pid} of the lost record runs, but carries no marker"
            self._become_unknown(Reason(codes.RECORD_LOST, seen))
            return WATCH_SECONDS
        self._has_record = True
        if told is None:
            return None
        if self._stop_wanted() or self.record.state not in _ENDS_BY_ITSELF:
            self._keep(lost_process=None)
            return None
        return self._ended(GuestEnd(codes.EXIT_UNKNOWN), "its record was lost")

    def _take_over(self, process: RecordedProcess) -> None:
        """A VM of ours runs: write down what is seen of it, and count what it holds."""
        self._node.ledger.hold(self.record.placement_uid, self.placement.spec.claim)
        changes: dict[str, object] = {"process": process, "lost_process": None}
        if self.record.state in MAY_RUN:
            self._keep(**changes)
        else:
            seen = f"pid {process.pid} carries the marker, its record was lost"
            self._become_unknown(Reason(codes.RECORD_LOST, seen), **changes)
        self._has_record = self._found_again = True

    def _still_runs(self, pid: int, start_time: int, boot_id: str) -> bool:
        """Say whether this very process runs.

        Raises:
            PermissionError: it may not be looked at.
        """
        if boot_id != self._node.identity.boot_id:
            return False
        found = self._identity(pid)
        return found is not None and found.start_time == start_time
