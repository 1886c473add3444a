"""Headline reasons of conditions and Events."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str, reason: str, sentence: str, cause: str, remedy: str = "", actor: Actor = Actor.NOBODY
) -> Row:
    return Row(code, reason, Stage.SUMMARY, actor, Precedence.INFORMATION, sentence, remedy, cause)


NOT_YET_DECIDED: Final = _row(
    "NOT_YET_DECIDED",
    "NotYetDecided",
    "not decided yet",
    "The workload was seen and is not decided yet.",
)
NO_ELIGIBLE_NODE: Final = _row(
    "NO_ELIGIBLE_NODE", "NoEligibleNode", "{observed}", "No node can run the VM now.",
    "see status.evaluation.nearest: what would have to change", Actor.USER,
)  # fmt: skip
PLACED: Final = _row(
    "PLACED", "Placed", "{observed}", "A VMPlacement binds the workload to a node."
)
WAITING_FOR_PREVIOUS_VM: Final = _row(
    "WAITING_FOR_PREVIOUS_VM", "WaitingForPreviousVM", "waiting for the previous VM of this name to end: {observed}",
    "A VMPlacement of an earlier VMWorkload, or of an earlier spec, of this name still exists.",
)  # fmt: skip
BACKING_OFF: Final = _row(
    "BACKING_OFF", "BackingOff", "the last attempt failed ({observed}); the next comes {required}",
    "An attempt failed before the guest started; the next one waits.",
)  # fmt: skip
WAITING_FOR_AGENT: Final = _row(
    "WAITING_FOR_AGENT", "WaitingForAgent", "waiting for the agent on {observed}",
    "The placement exists and the node's agent has not answered yet.",
)  # fmt: skip
VALIDATED: Final = _row(
    "VALIDATED",
    "Validated",
    "launch validation passed on {observed}",
    "The node's agent validated the launch on live facts.",
)
LAUNCHING: Final = _row(
    "LAUNCHING", "Launching", "the VM is {observed}", "The VM is on its way to readiness."
)
LAUNCHED: Final = _row(
    "LAUNCHED", "Launched", "the VMM runs on {observed}", "The VMM process was started and proved."
)
NOT_LAUNCHED: Final = _row(
    "NOT_LAUNCHED",
    "NotLaunched",
    "no VMM process runs for it",
    "Nothing was started, or what was started has ended.",
)
RUNNING: Final = _row(
    "RUNNING",
    "Running",
    "the VM runs on {observed}",
    "The VM reached the readiness that was asked for.",
)
DEGRADED: Final = _row(
    "DEGRADED", "Degraded", "the VM runs, but {observed}", "The VM was ready and no longer answers."
)
DRY_RUN_PREPARED: Final = _row(
    "DRY_RUN_PREPARED", "DryRunPrepared", "the launch is prepared on {observed}; nothing was run",
    "launchMode DryRun: the agent left what it would run in the placement's status.",
)  # fmt: skip
STOPPED: Final = _row(
    "STOPPED", "Stopped", "the VM is stopped, as asked", "runState Stopped, and nothing runs."
)
STOPPING: Final = _row(
    "STOPPING",
    "Stopping",
    "the VM is being ended: {observed}",
    "A stop was ordered and the VM has not ended yet.",
)
NODE_OVERCOMMITTED: Final = _row(
    "NODE_OVERCOMMITTED", "NodeOvercommitted",
    "withdrawn before it was launched: its node holds more than it has",
    "A node held more placements than its capacity, and this one was not launched yet: two leaders"
    " placed at once, or capacity was taken away.",
)  # fmt: skip
COMPLETED: Final = _row(
    "COMPLETED",
    "Completed",
    "the guest ended by itself: {observed}",
    "The guest ended in order and restartPolicy asks for no restart.",
)
FAILED: Final = _row(
    "FAILED", "Failed", "the VM failed: {observed}", "The VM failed and restartPolicy Never asks for no restart.",
    "see status.history and the placement's lastExit", Actor.USER,
)  # fmt: skip
NODE_SILENT: Final = _row(
    "NODE_SILENT", "NodeSilent", "{observed} is silent; the last proof of this VM is from {required}",
    "The node's heartbeat stopped, and its NodeTruth says that it is not fresh: whether the VM runs is unknown; it is not moved.",
    "check the node and its agent", Actor.ADMINISTRATOR,
)  # fmt: skip
UP_TO_DATE: Final = _row(
    "UP_TO_DATE", "UpToDate", "the VM runs what the spec asks", "Spec and placement agree."
)
RESTART_REQUIRED: Final = _row(
    "RESTART_REQUIRED", "RestartRequired", "changed since the VM was placed: {observed}",
    "The spec was changed; a running VM is not touched by itself.",
    "give spec.restartToken a new value when a restart suits you, or set spec.updateStrategy to Recreate", Actor.USER,
)  # fmt: skip
RESTART_REQUESTED: Final = _row(
    "RESTART_REQUESTED", "RestartRequested", "restartToken has a new value",
    "The VM is ended in order and placed anew with the current spec, since spec.restartToken changed.",
)  # fmt: skip
SPEC_CHANGED: Final = _row(
    "SPEC_CHANGED", "SpecChanged", "the spec was changed, and updateStrategy is Recreate",
    "The VM is ended in order and placed anew with the changed spec: some node can run it, and what it needs there is held until then.",
)  # fmt: skip
RECREATE_WAITS: Final = _row(
    "RECREATE_WAITS", "RecreateWaits", "changed since the VM was placed: {observed}; it runs on as it was: {required}",
    "updateStrategy is Recreate, and no node could run the changed VM, also without the one that runs; what is held for others that are on their way is not free.",
    "see why with `schedune explain`, or take the change back", Actor.USER,
)  # fmt: skip
DRAIN_MOVES: Final = _row(
    "DRAIN_MOVES", "DrainMoves", "{subject} is being drained: the VM is ended in order and placed on {observed}",
    "spec.scheduling of the node's NodeTruth is Draining, and another node can run the VM: its claim there is held until the VM is placed anew.",
)  # fmt: skip
DRAIN_WAITS: Final = _row(
    "DRAIN_WAITS", "DrainWaits", "{subject} is being drained and no other node can run the VM, so it runs on: {observed}; nearest: {required}",
    "spec.scheduling of the node's NodeTruth is Draining, and no node could run the VM, also without the claim that it has.",
    "make the nearest node able to run it, or end the VM; the drain goes on by itself", Actor.ADMINISTRATOR,
)  # fmt: skip
WORKLOAD_GONE: Final = _row(
    "WORKLOAD_GONE", "WorkloadGone", "its VMWorkload is gone",
    "The VMWorkload of a placement was deleted, or deleted and made again: its VM is ended.",
)  # fmt: skip
SETTLED: Final = _row(
    "SETTLED", "Settled", "nothing is under way", "The state asked for is reached."
)
PROGRESSING: Final = _row("PROGRESSING", "Progressing", "{observed}", "Schedune is at work on it.")
TRUTH_FRESH: Final = _row(
    "TRUTH_FRESH",
    "Fresh",
    "heartbeats vouch for these facts",
    "The Lease is renewed and repeats the digest of the facts.",
)
TRUTH_EXPIRED: Final = _row(
    "TRUTH_EXPIRED", "TruthExpired", "no heartbeat has vouched for these facts {observed} (limit {required})",
    "The node has been silent for so long that what is known of it no longer counts as known.",
    "check the node and schedune-agent on it", Actor.ADMINISTRATOR,
)  # fmt: skip
FLEET_SILENT: Final = _row(
    "FLEET_SILENT", "FleetSilent",
    "{observed} of {required} nodes fell silent at once: taken as an outage of our own",
    "More than half of the nodes stopped being heard of at once. Neither their conditions nor those of their VMs are rewritten until one of them is heard again or the facts expire; no VM is placed on them.",
    "check the operator's way to the API server, the API server, and the network to the nodes", Actor.ADMINISTRATOR,
)  # fmt: skip
NODE_USABLE: Final = _row(
    "NODE_USABLE",
    "Usable",
    "VMs can be placed here",
    "The truth is fresh, the node healthy and open.",
)
KVM_USABLE: Final = _row(
    "KVM_USABLE", "KVMUsable", "a guest ran under KVM: {observed}", "The strong probe ran a guest."
)
AGENT_RUNNING: Final = _row(
    "AGENT_RUNNING", "AgentRunning", "the agent answers: {observed}", "The agent published this."
)
