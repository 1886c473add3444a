"""Rows about a placement on its node: preparation, launch, run, stop, recovery."""

from typing import Final

from schedune.codes import confinement, disks, guest_data, networks, placement, recovery
from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str, reason: str, sentence: str, cause: str, remedy: str = "",
    actor: Actor = Actor.NOBODY, stage: Stage = Stage.EXECUTION,
) -> Row:  # fmt: skip
    return Row(code, reason, stage, actor, Precedence.INFORMATION, sentence, remedy, cause)


ADMITTED: Final = _row(
    "PLACEMENT_ADMITTED",
    "Admitted",
    "the node's ledger holds the claim: {observed}",
    "The agent took the placement.",
)
LEDGER_FULL: Final = _row(
    "REFUSED_LEDGER_FULL", "LedgerFull", "the node has {observed} free, the placement claims {required}",
    "The agent's own ledger cannot hold the claim now.", "the operator places the VM elsewhere", Actor.NOBODY,
)  # fmt: skip
NODE_REPLACED: Final = _row(
    "REFUSED_NODE_REPLACED", "NodeReplaced", "this node has the UID {observed}, the placement is for {required}",
    "The Node was replaced by another of the same name.",
)  # fmt: skip
VALIDATION_REFUSED: Final = _row(
    "ERR_VALIDATION_FAILED", "LaunchValidationFailed", "{observed}", "Launch validation on live facts failed right before the launch.",
    "see status.refusal", Actor.ADMINISTRATOR,
)  # fmt: skip
EXECUTION_REFUSED_RECORDED_NODE: Final = _row(
    "EXECUTION_REFUSED_RECORDED_NODE", "RecordedNode", "{observed} validates and prepares, and runs nothing",
    "launchMode Execute reached a recorded node, or one whose agent was installed for facts only.", "use launchMode DryRun, or a node whose agent launches", Actor.USER,
)  # fmt: skip
PREPARING: Final = _row(
    "PREPARING", "Preparing", "the launch is being prepared", "The agent began with the placement."
)
LAUNCH_VALIDATED: Final = _row(
    "LAUNCH_VALIDATED",
    "LaunchValidated",
    "launch validation passed on {observed} facts",
    "Everything the launch needs is on the node.",
)
LAUNCH_RECORDED: Final = _row(
    "LAUNCH_RECORDED",
    "LaunchRecorded",
    "the launch record is on disk",
    "Written before anything else exists.",
)
RECORD_UNWRITABLE: Final = _row(
    "ERR_RECORD_UNWRITABLE", "RecordUnwritable", "nothing goes on without the launch record: {observed}",
    "The launch record cannot be put on the node's disk.",
    "make room on the node's disk, or repair it", Actor.ADMINISTRATOR,
)  # fmt: skip
RECORD_OF_NEWER_AGENT: Final = _row(
    "ERR_RECORD_OF_NEWER_AGENT", "RecordOfNewerAgent",
    "a newer agent wrote this VM's launch record: format {observed}, and this agent reads {required}",
    "The agent was replaced by an older one. What the record says is not known, so the VM counts as running, and neither it nor the record is touched: it is not watched, stopped or started again.",
    "install the newer agent again, or one that is newer still", Actor.ADMINISTRATOR, Stage.RECOVERY,
)  # fmt: skip
VMM_STARTED: Final = _row(
    "VMM_STARTED",
    "VMMStarted",
    "{observed}",
    "The VMM process exists and its identity is recorded.",
)
VM_TIED_TO_POD: Final = _row(
    "VM_TIED_TO_POD", "VMTiedToPod", "ends with the agent's pod: in {observed} its control group is the pod's",
    "The agent's container runtime ends all that is in one of the pod's control groups, this VM too.",
    "give the agent's pod the node's control groups, as manifests/overlays/launch does, and `containment: Auto`;"
    " then start the VM anew", Actor.ADMINISTRATOR,
)  # fmt: skip
GUEST_READY: Final = _row(
    "GUEST_READY", "GuestReady", "{observed}", "The readiness that was asked for is reached."
)
GUEST_SILENT: Final = _row(
    "GUEST_SILENT",
    "GuestSilent",
    "the guest no longer answers: {observed}",
    "A guest that was ready misses its answers.",
)
STOP_REQUESTED: Final = _row(
    "STOP_REQUESTED", "StopRequested", "{observed}", "A stop or a deletion was ordered."
)
STOPPED_BY_GUEST: Final = _row(
    "GUEST_POWERED_OFF",
    "GuestPoweredOff",
    "the guest powered down in order",
    "The VMM reported a shutdown by the guest.",
)
GUEST_REBOOTED: Final = _row(
    "GUEST_REBOOTED",
    "GuestRebooted",
    "the guest rebooted",
    "The VMM reported a reset by the guest.",
)
GUEST_PANICKED: Final = _row(
    "GUEST_PANICKED",
    "GuestPanicked",
    "the guest's kernel panicked",
    "The VMM reported a panic.",
    "read status.lastExit.consoleTail",
    Actor.USER,
)
GUEST_REBOOT_LOOP: Final = _row(
    "ERR_GUEST_REBOOT_LOOP",
    "GuestRebootLoop",
    "the guest rebooted more than 5 times within 5 minutes: it does not come up",
    "A VMM that restarts the guest by itself was found to do so again and again; it was ended.",
    "read status.lastExit.consoleTail",
    Actor.USER,
)
HOST_STOPPED: Final = _row(
    "HOST_STOPPED",
    "HostStopped",
    "the VMM was ended by Schedune: {observed}",
    "The guest did not end within its grace, so the ladder went on.",
)
HOST_SHUTDOWN: Final = _row(
    "HOST_SHUTDOWN", "HostShutdown", "the node is shut down, and the guest was ended before: {observed}",
    "The host was told to go down (docs/operations/life.md), so its guests were ended in order. Under Always and OnFailure, and if it was not ready yet, the VM is started again when the node is back.",
)  # fmt: skip
VMM_KILLED: Final = _row(
    "ERR_EXEC_RUNTIME_CRASHED",
    "VMMKilled",
    "the VMM ended without an order: {observed}",
    "The VMM process is proved gone and neither guest nor Schedune ended it.",
    "read status.lastExit",
    Actor.ADMINISTRATOR,
)
EXIT_UNKNOWN: Final = _row(
    "EXIT_UNKNOWN",
    "ExitUnknown",
    "the VMM is proved gone; nobody saw how it ended: {observed}",
    "It ended while no agent watched.",
)
SPAWN_FAILED: Final = _row(
    "ERR_EXEC_RUNTIME_SPAWN_FAILED",
    "SpawnFailed",
    "the VMM could not be started: {observed}",
    "Starting the process failed.",
    "read the message; the agent's log has more",
    Actor.ADMINISTRATOR,
)
EXITED_EARLY: Final = _row(
    "ERR_EXEC_RUNTIME_EXITED_EARLY",
    "ExitedEarly",
    "the VMM ended before the guest was ready: {observed}",
    "The process ended while Starting.",
    "read the message: it is the VMM's own",
    Actor.ADMINISTRATOR,
)
READY_TIMEOUT: Final = _row(
    "ERR_READY_TIMEOUT",
    "ReadyTimeout",
    "not ready after {required}: {observed}",
    "The readiness asked for was not reached in time.",
    "raise spec.readiness.timeoutSeconds, or look at the guest's console",
    Actor.USER,
)
BOOT_STALLED: Final = _row(
    "ERR_BOOT_STALLED",
    "BootStalled",
    "no sign of a kernel on the console after {required}, and {observed}",
    "The VMM says that the guest runs, and within spec.readiness.timeoutSeconds neither did the guest get ready nor its kernel write a line on the console.",
    "check the kernel, its architecture, the boot disk, and that the command line names the console (console=ttyS0; arm64: ttyAMA0)",
    Actor.USER,
)
PREPARATION_FAILED: Final = _row(
    "ERR_PREPARATION_FAILED",
    "PreparationFailed",
    "{observed}",
    "The launch could not be put together on the node.",
    "read the message",
    Actor.ADMINISTRATOR,
)
PREPARATION_WAITS: Final = _row(
    "PREPARATION_WAITS",
    "PreparationWaits",
    "waiting for {observed}",
    "Something that the launch needs gives no answer: an image root of the node, or the API server that is asked for a Secret. It is asked again every two seconds, and the launch goes on from where it stands.",
    "mend what does not answer",
    Actor.ADMINISTRATOR,
)
RESTARTING: Final = _row(
    "RESTARTING",
    "Restarting",
    "next incarnation {observed}",
    "The guest ended and restartPolicy, or its own reboot, asks for a new start.",
)
RECOVERY_CONFIRMED: Final = _row(
    "RECOVERY_CONFIRMED",
    "Adopted",
    "adopted after an agent restart: {observed}",
    "Boot id, pid, start time, executable, command line and control socket are proved.",
    stage=Stage.RECOVERY,
)
RECOVERY_DEAD: Final = _row(
    "ERR_RECOVERY_EXECUTION_MISSING",
    "FoundDead",
    "found ended when it was looked for again: {observed}",
    "The recorded process is proved gone, and no agent watched it end; the next entry says what is known of its end.",
    stage=Stage.RECOVERY,
)
RECOVERY_UNANSWERED: Final = _row(
    "RECOVERY_UNANSWERED",
    "ProcessUnanswered",
    "the process is there, but its control socket does not answer: {observed}",
    "Exactly this process runs (its identity is proved), and its VMM does not answer, or somebody else does. Unknown is not gone: it is asked again.",
    stage=Stage.RECOVERY,
)
RECORD_LOST: Final = _row(
    "RECOVERY_RECORD_LOST",
    "RecordLost",
    "the node's record of this VM was lost: {observed}",
    "The launch record is gone from the node's disk, or unreadable. A VM that runs is found by its marker and recorded anew; it is never started again without proof that the last one is gone.",
    "see docs/reference/recovery.md",
    Actor.ADMINISTRATOR,
    Stage.RECOVERY,
)

BEFORE_GUEST: Final = frozenset(
    row.code
    for row in (
        LEDGER_FULL, NODE_REPLACED, VALIDATION_REFUSED, PREPARATION_FAILED,
        EXECUTION_REFUSED_RECORDED_NODE, SPAWN_FAILED, EXITED_EARLY, READY_TIMEOUT, BOOT_STALLED,
        confinement.NO_VM_USER, confinement.DENIED_TO_VM_USER,
        guest_data.FORBIDDEN, guest_data.MISSING, guest_data.UNUSABLE,
        disks.DISK_NOT_MADE, disks.DISK_OF_ANOTHER, disks.DISK_FORMAT_CHANGED,
        disks.DISK_UNUSABLE, disks.DISK_IN_USE, disks.DISK_SOURCE_UNUSABLE,
        networks.TAP_NOT_MADE, networks.TAP_IN_USE, networks.TAP_GONE, networks.NODE_PORT_TAKEN,
        placement.BRIDGE_MISSING,
        recovery.QEMU_SOCKET_TIMEOUT, recovery.CLOUD_HYPERVISOR_SOCKET_TIMEOUT,
        recovery.FIRECRACKER_SOCKET_TIMEOUT,
    )
)  # fmt: skip
"""Ends before the guest was ready: a new attempt follows, whatever restartPolicy says."""
