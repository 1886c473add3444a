"""Which process a placement's VM is: taken hold of by proof, or not at all."""

from typing import Final

from schedune.lifecycle.carriers import pick_carrier, rivals_of
from schedune.lifecycle.observation import Sighting
from schedune.lifecycle.orphan_orders import ignored_by
from schedune_agent.placement_base import PlacementOnNode
from schedune_agent.record import RecordedProcess
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.carriers import CarrierSearch
from schedune_agent.vmm.port import Vm
from schedune_agent.vmm.programs import Programs

_LOOKS: Final = 3


class UnprovedError(Exception):
    """Something lives that may be the VM and is not proved to be: nothing may be started."""

    sighting = Sighting.UNSEEN


class DoubtfulError(UnprovedError):
    """One process carries the VM's marker, and a part of the proof that it is it lacks."""

    sighting = Sighting.UNPROVED


class SplitError(UnprovedError):
    """Several processes claim to be one VM; which of them lives on, an administrator says."""

    sighting = Sighting.SEVERAL


class ForeignError(UnprovedError):
    """The recorded process lives and is not what was started."""

    sighting = Sighting.FOREIGN


class UnmarkedError(UnprovedError):
    """No process carries the VM's marker, and something lives in its control groups."""

    sighting = Sighting.UNMARKED


class PlacementProcess(PlacementOnNode):
    """A placement whose process can be looked for."""

    def _take(self, identity: processes.ProcessIdentity) -> None:
        handle = processes.prove(identity, self._node.identity.boot_id)
        if handle is not None:
            uid = self.record.placement_uid
            self._vm = self._vmm.attach(handle, self._paths, uid)

    def _find(self) -> None:
        """Take hold of the process, recorded or started just before an agent was killed.

        Raises:
            PermissionError: there is one that may not be looked at; it is not gone.
            DoubtfulError: one carries the marker, and is not proved to be the VM.
            SplitError: several carry the marker; no order to end the VM is for any of them.
            ForeignError: the recorded one is not what was started.
            UnmarkedError: none is recorded or marked, and its control groups are not empty.
        """
        if self._vm is None and self.record.process is not None:
            self._take(self.record.process.identity())
        if self._vm is not None or self._take_carrier():
            return
        if self.record.process is not None:
            self._beware_of_foreign(self.record.process)
        elif self.record.may_run or self._is_lost:
            self._search_groups()

    def _take_carrier(self) -> bool:
        """Take hold of the one process that is proved by its marker; False: none carries it.

        Raises:
            PermissionError, DoubtfulError, SplitError: as ``_find`` does.
        """
        for _ in range(_LOOKS):
            found = self._search.find()
            pick = pick_carrier(found.all, ignored_by(self._node.ordered()))
            if pick.sighting is Sighting.SEVERAL:
                raise SplitError(pick.detail)
            if pick.sighting is Sighting.UNPROVED:
                raise DoubtfulError(pick.detail)
            if pick.carrier is None:
                return False
            self._take(found.identities[pick.carrier])
            if self._vm is not None:
                return True
            # It ended meanwhile, or became something else: what there is now is looked for.
        raise DoubtfulError("whoever carries it changes while it is looked at")

    def _beware_of_rivals(self, vm: Vm) -> None:
        """See that no other process is, or may be, proved the VM too, before this one is ended.

        One that is doubtful whatever it executes does not keep it from being ended, but is
        left alone, and keeps the VM from being called ended.

        Raises:
            PermissionError: there is one of which nothing may be seen.
            SplitError: there is another.
        """
        own = vm.handle.identity
        rivals = rivals_of(self._search.find().all, own.key)
        if rivals:
            pids = ", ".join(str(one.key.pid) for one in rivals)
            raise SplitError(f"pid {own.pid} is recorded, and pids {pids} carry its marker too")

    @property
    def _search(self) -> CarrierSearch:
        facts, node = self._node.facts(), self._node
        programs = Programs.of(facts.backends if facts else ()).with_launched(self.record)
        uid = self.record.placement_uid
        return CarrierSearch(node.settings, node.identity.boot_id, programs, uid)

    def _beware_of_foreign(self, process: RecordedProcess) -> None:
        """See whether the recorded process is gone, or lives as something else."""
        if process.boot_id != self._node.identity.boot_id:
            return
        found = self._identity(process.pid)
        if found is not None and found.start_time == process.start_time:
            raise ForeignError(f"pid {process.pid} has another executable or command line")

    def _search_groups(self) -> None:
        """Look into the control groups that were made for this VM, if any were."""
        for pid in sorted(cgroup.processes_in(self.record.placement_uid)):
            if self._identity(pid) is not None:
                raise UnmarkedError(f"pid {pid}")

    def _identity(self, pid: int) -> processes.ProcessIdentity | None:
        return processes.read_identity(pid, self._node.identity.boot_id)

    def _reap(self) -> int | None:
        """Collect the exit code of an ended process, so that no zombie stays."""
        return self._vm.handle.reap() if self._vm is not None else None
