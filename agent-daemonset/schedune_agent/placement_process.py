"""Which process a placement's VM is: taken hold of by proof, or not at all."""

from schedune.lifecycle.observation import Sighting
from schedune_agent.placement_base import PlacementOnNode
from schedune_agent.record import RecordedProcess
from schedune_agent.system import cgroup, processes
from schedune_agent.vmm.markers import find_marked


class UnprovedError(Exception):
    """Something lives that may be the VM and is not proved to be: nothing may be started."""

    sighting = Sighting.UNSEEN


class SplitError(UnprovedError):
    """Several processes claim to be one VM, and no record says which is."""

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
            SplitError: several carry the marker; an order to end the VM is for all of them.
            ForeignError: the recorded one is not what was started.
            UnmarkedError: none is recorded or marked, and its control groups are not empty.
        """
        if self._vm is None and self.record.process is not None:
            self._take(self.record.process.identity())
        if self._vm is not None:
            return
        carriers = find_marked(self.record.placement_uid, self._node.settings.cluster_uid)
        found = [self._identity(pid) for pid in carriers]
        marked = [one for one in found if one is not None]
        if len(marked) > 1 and not self._stop_wanted():
            pids = ", ".join(str(one.pid) for one in marked)
            raise SplitError(f"pids {pids} all carry its marker")
        if marked:
            self._take(marked[0])
        elif self.record.process is not None:
            self._beware_of_foreign(self.record.process)
        elif self.record.may_run or self._is_lost:
            self._search_groups()

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
