"""Finding a VM again: after the agent's end, a silence, or the loss of its record.

A process is proved to be ours, proved gone, or unknown; only the first two move on. Here
it is looked for and looked at; what a look means is said by ``schedune.lifecycle``:
``recover`` until the process is proved, ``reconcile`` from then on.
"""

import os
from collections.abc import Iterator

from schedune.codes import confinement
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.observation import Observation, Sighting
from schedune.lifecycle.transitions import MAY_RUN
from schedune_agent.placement_base import WATCH_SECONDS
from schedune_agent.placement_end import PlacementEnd
from schedune_agent.record import RecordedProcess
from schedune_agent.system import cgroup, pods, processes
from schedune_agent.system.cgroup_limits import missing_limits
from schedune_agent.vmm.port import GuestEnd, Vm, VmmError, VmmRefusalError


class PlacementRecovery(PlacementEnd):
    """A placement whose VM can be found again."""

    async def _adopt(self) -> float | None:
        """Take charge of the VM; else return after how many seconds to look again."""
        self._find()
        if self._vm is None:
            return self._ended(self._seen_end() or GuestEnd(codes.EXIT_UNKNOWN), self._last_seen())
        if not self._vm.handle.is_alive:
            return self._found_dead(self._vm)
        try:
            await self._vm.verify()
            await self._vm.begin(self._requests())
        except VmmError as error:
            if isinstance(error, VmmRefusalError) and not self.record.was_ready:
                return await self._fail(error.reason)
            return self._unproved(Sighting.UNRESPONSIVE, error)
        process, version = RecordedProcess.of(self._vm.handle.identity), self._vm.version
        if not self._is_proved:
            self._see_proved(process, version=version)
        elif self.record.process != process:
            self._keep(process=process, version=version)
        self._forget_shutdown()
        self._see_left_open(self._vm)
        self._see_survival(self._vm)
        return None

    def _forget_shutdown(self) -> None:
        """The host was to go down and did not, and the VM has lived through that."""
        seen = self.record.guest_end
        if seen is not None and seen.reason == codes.HOST_SHUTDOWN.reason:
            self._keep(guest_end=None)

    def choose(self, process: RecordedProcess) -> bool:
        """Take one of several that claim to be this VM, as an administrator ordered.

        Say whether it is taken: a VM that was found already is not given up for another.

        Raises:
            RecordError: it cannot be written down.
        """
        if self._vm is not None or self.record.is_of_newer_agent:
            return False
        self._keep(process=process, lost_process=None)
        self._has_record = True
        return True

    def _see_proved(self, process: RecordedProcess, **changes: object) -> None:
        """This very process is the VM: from now on it is watched, no longer looked for."""
        seen = Observation(Sighting.ALIVE, detail=f"pid {process.pid}")
        self._see(seen, process=process, **changes)
        self._is_proved = True

    def _see_left_open(self, vm: Vm) -> None:
        """Write down what this VM is not held to, unless that was told already."""
        told = {(entry.code, entry.message) for entry in self.record.trace}
        for one in self._left_open(vm):
            if (one.row.code, one.message) not in told:
                self._note(one)

    def _left_open(self, vm: Vm) -> Iterator[Reason]:
        """Give what this VM is not held to here: looked at, since the kernel may refuse it.

        One that was found again may have been moved, or its groups may have gone.
        """
        pid, held = vm.handle.identity.pid, self._confinement
        user = processes.user_of(pid)
        if user == os.geteuid():
            yield Reason(confinement.SHARED_USER, str(user))
        if held.group is None:
            yield Reason(confinement.UNBOUNDED, "it has no control group of its own")
        elif outside := cgroup.outside(held.group, pid):
            told = f"it runs outside of its control group of {', '.join(outside)}"
            yield Reason(confinement.UNBOUNDED, told[:400])
        elif held.limits and (missing := missing_limits(held.group, held.limits)):
            yield Reason(confinement.UNBOUNDED, ", ".join(missing)[:400])

    def _see_survival(self, vm: Vm) -> None:
        """Write down whether the VM outlives us: what is left in our pod's groups does not."""
        ties = pods.ties_of(vm.handle.identity.pid)
        survival = "DiesWithAgent" if ties else "OutlivesAgent"
        if survival == self.record.survival:
            return
        if ties:
            self._note(Reason(codes.VM_TIED_TO_POD, ", ".join(ties)), survival=survival)
        else:
            self._keep(survival=survival)

    def _unproved(self, sighting: Sighting, told: object) -> float:
        """Neither life nor death is proved: the rules say what that is; look again."""
        self._see(Observation(sighting, detail=str(told)[:200]))
        return WATCH_SECONDS

    def _see(self, observation: Observation, **changes: object) -> None:
        """Write down what one look for the process changes."""
        news = self._news(observation)
        changes = {name: to for name, to in changes.items() if getattr(self.record, name) != to}
        if news is None:
            if changes:
                self._keep(**changes)
        elif news[0] is self.record.state:
            self._note(news[1], **changes)
        else:
            self._walk(*self._moves_to_pending(), news, **changes)

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
            return self._unproved(Sighting.UNSEEN, f"pid {told.pid} runs, but carries no marker")
        self._has_record = True
        if told is None:
            return None
        if self._stop_wanted() or self.record.state not in MAY_RUN:
            self._keep(lost_process=None)
            return None
        return self._ended(GuestEnd(codes.EXIT_UNKNOWN), f"pid {told.pid} is gone")

    def _take_over(self, process: RecordedProcess) -> None:
        """A VM of ours runs: write down what is seen of it, and count what it holds."""
        self._node.ledger.hold(self.record.placement_uid, self.placement.spec.claim, self._ports)
        user = processes.user_of(process.pid)
        user = None if user == os.geteuid() else user
        self._node.ledger.hold_user(self.record.placement_uid, user)
        seen = Observation(Sighting.ALIVE, detail=f"pid {process.pid} carries its marker")
        self._see(seen, process=process, lost_process=None, user=user)
        self._has_record = True

    def _still_runs(self, pid: int, start_time: int, boot_id: str) -> bool:
        """Say whether this very process runs.

        Raises:
            PermissionError: it may not be looked at.
        """
        if boot_id != self._node.identity.boot_id:
            return False
        found = self._identity(pid)
        return found is not None and found.start_time == start_time
