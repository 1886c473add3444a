"""Which process is a placement's VM where no record says it: one that is proved, or none.

A command line is only words, and anybody may write anything on one. So a marker alone makes
nobody a VM: it has to stand where a launch writes it, on a VMM, which runs as a user of
VMs, and whose control socket is in this node's run directory. One that falls short is
neither ended nor passed over, since it may be the VM all the same: of another version of
the agent, of a binary that nobody knows any more, of a run directory from before. What
only talks about the VM (a search for its UID, an editor) is no carrier: it executes no
VMM, and has no VM's command line.

Of a process that the agent may not look at nobody knows what it executes. It counts as
whatever keeps a second VM from being begun, and a proved one from being doubled.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from schedune.api.vmworkload import Backend
from schedune.lifecycle.observation import Sighting
from schedune.lifecycle.orphans import ProcessKey


@dataclass(frozen=True, slots=True)
class Carrier:
    """A living process that has a placement's marker on its command line."""

    key: ProcessKey
    parent: int
    """Pid of the process that began it."""
    image: str
    """Stands for what it executes and for its command line: a fork has the same."""
    program: str
    """Name of the file that it executes."""
    backend: Backend | None
    """Which VMM that is; None: it is none that this node knows."""
    marked: Backend
    """Which VMM the marker is written for."""
    user: int
    """As whom it runs."""
    is_vms_user: bool
    """VMs of this node run as that user."""
    is_in_place: bool
    """The marker stands where a launch writes it, and nowhere else."""
    is_here: bool
    """Its control socket is in this agent's run directory."""
    is_hidden: bool = False
    """What it executes may not be looked at: image, program and backend say nothing."""

    @property
    def is_mention(self) -> bool:
        """Say whether it only talks about the VM: it is none, and does not look like one."""
        return self.backend is None and not self.is_in_place and not self.is_hidden

    @property
    def is_marked_vmm(self) -> bool:
        """Say whether it is, or may be, a VMM with the marker in place, whatever its sockets."""
        return self.is_in_place and (self.is_hidden or self.backend is self.marked)

    @property
    def lacks_a_name_only(self) -> bool:
        """Say whether it is the VM but for its program: under a name that nobody knows any more."""
        return self.is_in_place and self.backend is None and self.is_here and self.is_vms_user

    def is_copy_of(self, parent: "Carrier | None") -> bool:
        """Say whether it is a fork of its parent, and nothing else was executed since.

        A number that is used again is no parent: nobody is older than who began it.
        """
        if parent is None or self.is_hidden or self.image != parent.image:
            return False
        return (parent.key.start_time, parent.key.pid) < (self.key.start_time, self.key.pid)

    @property
    def may_be_proved(self) -> bool:
        """Say whether nothing that is seen of it speaks against its being the VM."""
        has_program = self.is_hidden or self.backend is self.marked
        return self.is_in_place and has_program and self.is_vms_user and self.is_here

    @property
    def doubt(self) -> str:
        """Why it is not proved to be the VM; "" if it is."""
        doubts = [
            *([] if self.is_in_place else ["its marker is not where a launch writes it"]),
            *([] if self.backend is self.marked else [self._other_program]),
            *([] if self.is_vms_user else [f"no VM of this node runs as user {self.user}"]),
            *([] if self.is_here else ["its control socket is not in this run directory"]),
        ]
        return ", ".join(doubts)

    @property
    def _other_program(self) -> str:
        if self.is_hidden:
            return "what it executes may not be looked at"
        return f"it executes {self.program}, which is no {self.marked.value} of this node"


@dataclass(frozen=True, slots=True)
class Pick:
    """What a complete search for a placement's marker comes to."""

    sighting: Sighting
    """Alive: ``carrier`` is the VM. Gone: there is none. Else nobody is taken."""
    carrier: Carrier | None = None
    detail: str = ""


def may_be_vms(carriers: Iterable[Carrier]) -> Sequence[Carrier]:
    """Return those of which each may be a VM of its own, by pid.

    A copy that a process made of itself by a fork is no second VM, as long as both live.
    """
    found = {one.key.pid: one for one in carriers if not one.is_mention}
    originals = (one for one in found.values() if not one.is_copy_of(found.get(one.parent)))
    return sorted(originals, key=lambda one: one.key)


def pick_carrier(carriers: Iterable[Carrier], ignored: Collection[ProcessKey] = ()) -> Pick:
    """Say which of all processes with its marker is the VM.

    ``ignored`` are those that an administrator ordered to be ignored; some are not passed
    over all the same: beside the VM a second one would be begun.
    """
    all_ = may_be_vms(carriers)
    found = [one for one in all_ if one.is_marked_vmm or one.key not in ignored]
    found = found or [one for one in all_ if one.lacks_a_name_only]
    if not found:
        return Pick(Sighting.GONE)
    if len(found) > 1:
        pids = ", ".join(str(one.key.pid) for one in found)
        return Pick(Sighting.SEVERAL, detail=f"pids {pids} all carry its marker")
    (one,) = found
    if one.doubt:
        return Pick(Sighting.UNPROVED, detail=f"pid {one.key.pid}: {one.doubt}")
    return Pick(Sighting.ALIVE, one)


def rivals_of(carriers: Iterable[Carrier], vm: ProcessKey) -> Sequence[Carrier]:
    """Return the carriers beside a placement's known VM that are, or may be, proved too.

    With one of them the VM is split.
    """
    return [one for one in may_be_vms(carriers) if one.key != vm and one.may_be_proved]
