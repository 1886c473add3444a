"""Rows about finding VMs again: reconciling, readiness of the VMM, restarts, orphans."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str, reason: str, sentence: str, cause: str, remedy: str = "",
    actor: Actor = Actor.NOBODY, stage: Stage = Stage.RECOVERY,
) -> Row:  # fmt: skip
    return Row(code, reason, stage, actor, Precedence.INFORMATION, sentence, remedy, cause)


PROCESS_NOT_RECORDED: Final = _row(
    "ERR_RECONCILE_PROCESS_MISSING", "ProcessNotRecorded",
    "no process is recorded and nothing proves that there is none: {observed}",
    "A VM was started as far as its record tells, but the record does not say as which process.",
    "look for the VMM on the node; once it is proved gone, the placement ends by itself", Actor.ADMINISTRATOR,
)  # fmt: skip
STATUS_UNREADABLE: Final = _row(
    "ERR_RECONCILE_STATUS_UNREADABLE", "StatusUnreadable", "the VM could not be looked at: {observed}",
    "The process of a VM that was being watched could not be looked at; that is not the VM's end.",
    "read the message; the agent's log has more", Actor.ADMINISTRATOR,
)  # fmt: skip
REASSOCIATION_AMBIGUOUS: Final = _row(
    "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS", "SeveralProcesses", "several processes claim to be this VM: {observed}",
    "More than one live process carries the marker of one placement. None of them is taken, and none is ended, not by the placement's own end either; nothing is started.",
    "find out which is the VM, and order the others' end in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
UNPROVED_CARRIER: Final = _row(
    "ERR_RECOVERY_UNPROVED_CARRIER", "UnprovedCarrier",
    "a process carries this VM's marker and is not proved to be it: {observed}",
    "No record says which process the VM is, and the one that carries its marker lacks a part of the proof: the marker where a launch writes it, a VMM of this node as its program, a user of VMs as whom it runs, and its control socket in this node's run directory. What executes in a process that the agent may not look at is not known. It may be the VM, of another version or of another run directory: it is neither ended nor taken, and nothing is started beside it.",
    "find out on the node what it is, then order Adopt (it is the VM), Terminate (nobody needs it) or Ignore (it is no VM of this placement) for it in spec.orphanActions of the NodeTruth; what the agent may not look at it neither adopts nor ends: give it CAP_SYS_PTRACE, or end the process yourself", Actor.ADMINISTRATOR,
)  # fmt: skip
UNMARKED_IN_GROUP: Final = _row(
    "ERR_RECOVERY_UNMARKED_IN_GROUP", "UnmarkedInGroup",
    "a process without this VM's marker is in its control group: {observed}",
    "No process is recorded and none carries the VM's marker, but something lives in the control groups that were made for it. It may be the VM: nothing is started beside it, and it is not touched.",
    "find out on the node what it is; once it has ended, or has left the group, the placement goes on by itself", Actor.ADMINISTRATOR,
)  # fmt: skip
FOREIGN_PROCESS: Final = _row(
    "ERR_RECOVERY_FOREIGN_PROCESS", "ForeignProcess", "the recorded process is no longer what was started: {observed}",
    "A process with the recorded pid and start time lives, and its executable or its command line is another. It is never signalled, its pid counts for nothing, and nothing is started until it is gone.",
    "find out on the node what it is, and end it if it is not needed", Actor.ADMINISTRATOR,
)  # fmt: skip
READY_PROBE_FAILED: Final = _row(
    "ERR_READY_PROBE_FAILED", "VMMReportsError", "the VMM reports an error: {observed}",
    "A VM that was ready, and whose VMM tells of an error of its own.",
    "read the message: it is the VMM's own", Actor.ADMINISTRATOR, Stage.EXECUTION,
)  # fmt: skip
QEMU_SOCKET_TIMEOUT: Final = _row(
    "ERR_READY_QEMU_SOCKET_TIMEOUT", "QEMUSocketTimeout", "QEMU gave no sign of readiness by {required}: {observed}",
    "QEMU's control socket did not answer by the deadline.",
    "read qemu.log in the VM's run directory", Actor.ADMINISTRATOR, Stage.EXECUTION,
)  # fmt: skip
CLOUD_HYPERVISOR_SOCKET_TIMEOUT: Final = _row(
    "ERR_READY_CLOUDHYPERVISOR_SOCKET_TIMEOUT", "CloudHypervisorSocketTimeout",
    "Cloud Hypervisor gave no sign of readiness by {required}: {observed}",
    "Cloud Hypervisor's API socket did not answer by the deadline.",
    "read the VMM's log in the VM's run directory", Actor.ADMINISTRATOR, Stage.EXECUTION,
)  # fmt: skip
FIRECRACKER_SOCKET_TIMEOUT: Final = _row(
    "ERR_READY_FIRECRACKER_SOCKET_TIMEOUT", "FirecrackerSocketTimeout",
    "Firecracker gave no sign of readiness by {required}: {observed}",
    "Firecracker's API socket did not answer by the deadline.",
    "read the VMM's log in the VM's run directory", Actor.ADMINISTRATOR, Stage.EXECUTION,
)  # fmt: skip
STALE_HANDLE: Final = _row(
    "ERR_RECOVERY_STALE_HANDLE", "StaleHandle", "the record was in flight and names no process: {observed}",
    "The agent ended between the start of a VM and the record of its process.",
    "nothing: the VM is looked for by its marker",
)  # fmt: skip
REHYDRATE_FAILED: Final = _row(
    "ERR_RECOVERY_REHYDRATE_FAILED", "RehydrateFailed", "the recorded process could not be looked at: {observed}",
    "A recorded process that is not proved yet, as after an agent restart, was not readable; that is not its end.",
    "read the message; it is asked again", Actor.ADMINISTRATOR,
)  # fmt: skip
TERMINATED_MISSING: Final = _row(
    "RECOVERY_TERMINATED_MISSING", "FoundTerminated", "the VM that was being ended has ended: {observed}",
    "A VM whose end was ordered is proved gone, and this agent did not end it.",
)  # fmt: skip
ORPHAN_SPLIT: Final = _row(
    "ERR_ORPHAN_SPLIT_VM", "OrphanSplit",
    "{subject} runs beside another VMM of {observed}: two VMs of one placement; it is counted as reserved and left alone",
    "Orphan class split: more than one live process carries one placement's marker, and this one is not the recorded one. Both may write to the same disks.",
    "find out which is the VM, and end the other process, or order Terminate for it in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_SUPERSEDED: Final = _row(
    "ERR_ORPHAN_SUPERSEDED", "OrphanSuperseded",
    "{subject} is the VM of {observed}, whose VMPlacement is gone or has ended; it runs on, counted as reserved",
    "Orphan class superseded: a VMM that the agent's record knows, and the record's VMPlacement was removed without its end, or is told to have ended.",
    "make sure that nobody needs it, then end the process, or order Terminate in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_STALE_ARTIFACT: Final = _row(
    "ERR_ORPHAN_STALE_ARTIFACT_STATE", "OrphanOfLostPlacement",
    "{subject} carries our marker of {required}, which is no placement of this node, and its launch record is lost; {observed}; it runs on, counted as reserved",
    "Orphan class leaked: a VMM process with Schedune's marker, and neither a launch record nor a VMPlacement that accounts for it, wherever its control socket is: only what is in the run directory of another agent that is at work is left to that one. The message says what it lacks to be proved a VM of this node.",
    "make sure that nobody needs it, then end the process, or order Terminate in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_IN_GROUP: Final = _row(
    "ERR_ORPHAN_IN_CONTROL_GROUP", "OrphanInControlGroup",
    "{subject} is in the control group of {observed} without its marker, and no VM of it runs",
    "Orphan class leaked: a process in the control group that was made for a VM, which neither a marker nor a launch record accounts for. Nothing is launched for that placement while it is there.",
    "find out what it is, then end it, or order Terminate in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_UNPROVED: Final = _row(
    "ERR_ORPHAN_UNPROVED_CARRIER", "OrphanUnproved",
    "{subject} carries our marker of {required} and is not proved to be its VM: {observed}; it is counted as reserved and left alone",
    "Orphan class leaked: a process that carries a placement's marker, that no launch record knows, and that lacks a part of the proof: the marker where a launch writes it, a VMM of this node as its program, a user of VMs as whom it runs, and its control socket in this node's run directory. What executes in a process that the agent may not look at is not known. The placement is Unknown while it is there.",
    "find out what it is, then order Adopt with the placement's UID (it is the VM), Terminate (nobody needs it) or Ignore (it is no VM of that placement) in spec.orphanActions of the NodeTruth; what the agent may not look at it neither adopts nor ends: give it CAP_SYS_PTRACE, or end the process yourself", Actor.ADMINISTRATOR,
)  # fmt: skip
RESIDUE_REMOVED: Final = _row(
    "ORPHAN_RESIDUE_REMOVED", "ResidueRemoved", "what was left of {subject} is removed: {observed}",
    "Orphan class residue: folders, sockets, overlays or control groups named by a placement that this node knows nothing of. No process names it, is in its groups, holds a lock on its files or listens at its sockets. A Persistent disk is never among them. Told in the agent's log.",
)  # fmt: skip
RESIDUE_IN_USE: Final = _row(
    "ERR_ORPHAN_RESIDUE_IN_USE", "ResidueInUse", "what was left of {subject} stays: {observed}",
    "Orphan class residue that somebody uses: a process names it, is in its groups, holds a lock on one of its files, or listens at one of its sockets. Told in status.orphans of the NodeTruth; it is looked at again at every sweep.",
    "find out on the node who uses it; it is removed once nobody does", Actor.ADMINISTRATOR,
)  # fmt: skip
RESIDUE_NOT_REMOVED: Final = _row(
    "ERR_ORPHAN_RESIDUE_NOT_REMOVED", "ResidueNotRemoved", "what was left of {subject} could not be removed: {observed}",
    "Orphan class residue that nobody is seen to use, and that could not be looked at or removed: a link in place of a folder, a busy control group, a file system that is read-only. Told in status.orphans of the NodeTruth; it is tried again at every sweep.",
    "remove on the node what the message names", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_POSSIBLY_OURS: Final = _row(
    "ERR_ORPHAN_POSSIBLE_SCHEDUNE_PROCESS", "OrphanPossiblyOurs", "{subject} may be ours, but does not fit alone: {observed}",
    "Orphan class contested: several placements could account for the VMM process, which their claims count already; nothing is done to it.",
    "find out whose it is, then order what to do in spec.orphanActions of the NodeTruth", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_UNMANAGED: Final = _row(
    "ERR_ORPHAN_UNMANAGED_BACKEND_PROCESS", "OrphanUnmanaged", "{subject} is a VMM that Schedune did not start; it is not counted as reserved",
    "Orphan class unmanaged: a VMM process with neither a marker of Schedune's nor a placement. It is reported and left alone, and not counted: what runs beside Schedune is to be taken off the node's capacity for VMs where that is declared.",
    "leave room for it in the capacity that the node declares, or end it yourself; order Ignore in spec.orphanActions of the NodeTruth once it is known", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_ORDER_STALE: Final = _row(
    "ORPHAN_ORDER_STALE", "OrphanOrderStale", "nothing is done to {subject}: {observed}",
    "An order in spec.orphanActions names a process by pid, start time and boot id, and no VMM of exactly that identity runs on the node. A pid is used again: the proof that the order was bound to holds no longer.",
    "take the order out of spec.orphanActions; `schedune orphans` shows what runs now", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_ORDER_REFUSED: Final = _row(
    "ORPHAN_ORDER_REFUSED", "OrphanOrderRefused", "{subject} is left alone: {observed}",
    "An order in spec.orphanActions that is not carried out: the process is the VM of a placement and no orphan, or it is to be adopted and the agent may not look at it, or into a placement whose UID its marker does not carry, or which is gone, or which knows its VM.",
    "end a placement's VM through its VMWorkload; adopt a VM only into the placement that its marker names", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_IGNORED: Final = _row(
    "ORPHAN_IGNORED", "OrphanIgnored", "{subject} is known and left alone; what it takes is counted as before",
    "An order Ignore in spec.orphanActions. It changes what is told of the orphan, not what it holds of the node. A placement that was Unknown for it goes on without it, unless it is a VMM with the placement's marker in its place: beside such a one no other is started.",
)  # fmt: skip
ORPHAN_ADOPTED: Final = _row(
    "ORPHAN_ADOPTED", "OrphanAdopted", "{subject} is the VM of {observed}",
    "An order Adopt in spec.orphanActions: the process, proved anew, is recorded as its placement's VM.",
)  # fmt: skip
ORPHAN_TERMINATED: Final = _row(
    "ORPHAN_TERMINATED", "OrphanTerminated", "{subject} was ended as ordered and is proved gone",
    "An order Terminate in spec.orphanActions, carried out on the process that was proved anew.",
    "take the order out of spec.orphanActions", Actor.ADMINISTRATOR,
)  # fmt: skip
ORPHAN_NOT_ENDED: Final = _row(
    "ERR_ORPHAN_NOT_ENDED", "OrphanNotEnded", "{subject} could not be ended: {observed}",
    "An order Terminate in spec.orphanActions whose process may not be looked at or signalled, or lives on after SIGKILL.",
    "read the message; look at the process on the node", Actor.ADMINISTRATOR,
)  # fmt: skip
