"""Rows that reject a node, or a backend on it."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Stage, rejecting

_row: Final = rejecting(Stage.ELIGIBILITY)

NODE_UNHEALTHY: Final = _row(
    "REJECT_NODE_UNHEALTHY", "NodeUnhealthy", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node's health is {observed} (needs {required})",
    "look at status.health.alarms of its NodeTruth",
    "The agent reports a health state other than Healthy or Warning.",
)  # fmt: skip
NODE_HEALTH_UNKNOWN: Final = _row(
    "REJECT_NODE_HEALTH_UNKNOWN", "NodeHealthUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "the node's health is unknown (needs {required})",
    "look at the agent's logs: it has not reported its health",
    "The truth holds no health state, or the state Unknown.",
)  # fmt: skip
NODE_NOT_READY: Final = _row(
    "REJECT_NODE_NOT_READY", "NodeNotReady", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the Node's condition Ready is {observed} (needs {required})",
    "repair the node, or its kubelet",
    "The Kubernetes Node is not Ready, or says nothing of it.",
)  # fmt: skip
NODE_CORDONED: Final = _row(
    "REJECT_NODE_CORDONED", "NodeCordoned", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node takes no new VMs: {observed} (needs {required})",
    "kubectl uncordon the Node, or set spec.scheduling of its NodeTruth to Enabled",
    "The Node is unschedulable, or its NodeTruth says Cordoned.",
)  # fmt: skip
NODE_DRAINING: Final = _row(
    "REJECT_NODE_DRAINING", "NodeDraining", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node is being drained: {observed} (needs {required})",
    "set spec.scheduling of its NodeTruth to Enabled when it is done",
    "The NodeTruth says Draining.",
)  # fmt: skip
NODE_LAUNCHES_NOTHING: Final = _row(
    "REJECT_NODE_LAUNCHES_NOTHING", "NodeLaunchesNothing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node's agent launches nothing: its execution is {observed} (needs {required})",
    "install its agent with the overlay launch; launchMode DryRun is prepared there as it is",
    "launchMode is Execute, and the agent tells facts and prepares only: a recorded node, or one installed for facts only.",
)  # fmt: skip
TAINT_NOT_TOLERATED: Final = _row(
    "REJECT_TAINT_NOT_TOLERATED", "TaintNotTolerated", Actor.USER, Precedence.NOT_NOW,
    "the node carries the taint {observed}",
    "tolerate it in spec.placement.tolerations, or remove it from the Node",
    "A taint with effect NoSchedule or NoExecute that the workload does not tolerate.",
)  # fmt: skip
TRUTH_MISSING: Final = _row(
    "REJECT_TRUTH_MISSING", "TruthMissing", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "no facts are known of this node: {observed}",
    "run schedune-agent on the node",
    "The Node has no NodeTruth, or one without facts, or one of another Node of this name.",
)  # fmt: skip
TELEMETRY_STALE: Final = _row(
    "REJECT_TELEMETRY_STALE", "TelemetryStale", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node's facts were last proved {observed} ago (limit {required})",
    "check schedune-agent on the node",
    "No heartbeat that vouches for the facts within the Lease or spec.placement.maxTruthAgeSeconds.",
)  # fmt: skip
CLOCK_SKEW: Final = _row(
    "REJECT_CLOCK_SKEW", "ClockSkew", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "the node's facts come from {observed} in the future (allowed {required})",
    "synchronise the clocks, or give --now",
    "The last proof of the facts lies further in the future than the policy's clock skew.",
)  # fmt: skip
PROBE_FAILED: Final = _row(
    "REJECT_PROBE_FAILED", "NodeProbeFailed", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "probes of the node failed: {observed}",
    "see status.probes of its NodeTruth and the agent's log",
    "A probe failed whose facts do not say by themselves that they are unknown.",
)  # fmt: skip
ARCHITECTURE_MISMATCH: Final = _row(
    "REJECT_ARCHITECTURE_MISMATCH", "ArchitectureMismatch", Actor.USER, Precedence.IMPOSSIBLE,
    "the node is {observed}, the workload needs {required}",
    "set spec.architecture to Any, or to the node's, if the guest runs there",
    "spec.architecture differs from the node's.",
)  # fmt: skip
ARCHITECTURE_UNKNOWN: Final = _row(
    "REJECT_ARCHITECTURE_UNKNOWN", "ArchitectureUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "the node's architecture is unknown (needs {required})",
    "check the cpu probe of the node's agent",
    "The truth holds no CPU facts.",
)  # fmt: skip
SELECTOR_MISMATCH: Final = _row(
    "REJECT_NODE_SELECTOR_MISMATCH", "NodeSelectorMismatch", Actor.USER, Precedence.IMPOSSIBLE,
    "the node's labels have {observed}, the selector needs {required}",
    "change spec.placement.nodeSelector, or label the Node",
    "A label of spec.placement.nodeSelector is missing or has another value.",
)  # fmt: skip
KVM_MISSING: Final = _row(
    "REJECT_MISSING_KVM", "KVMMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "KVM is missing: {observed} (needs {required})",
    "load the kvm module or enable virtualization in firmware; or set spec.acceleration to Emulated",
    "The strong KVM probe found no KVM device.",
)  # fmt: skip
KVM_UNAVAILABLE: Final = _row(
    "REJECT_KVM_UNAVAILABLE", "KVMUnavailable", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "KVM is there but does not serve: {observed} (needs {required})",
    "see capability kvm_vm_launch of the NodeTruth: the device opens and runs no guest",
    "/dev/kvm exists, but runs no guest.",
)  # fmt: skip
KVM_DENIED: Final = _row(
    "REJECT_KVM_DENIED", "KVMDeniedToAgent", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the agent may not open KVM: {observed} (needs {required})",
    "add the agent's user to the group of /dev/kvm",
    "/dev/kvm exists and opening it was not permitted.",
)  # fmt: skip
KVM_UNKNOWN: Final = _row(
    "REJECT_KVM_UNKNOWN", "KVMUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "nobody knows whether KVM works: {observed} (needs {required})",
    "check the kvm probe of the node's agent",
    "The truth holds no answer about kvm_vm_launch, or Unknown.",
)  # fmt: skip
INSUFFICIENT_VCPUS: Final = _row(
    "REJECT_INSUFFICIENT_VCPUS", "InsufficientVCPUs", Actor.USER, Precedence.NOT_NOW,
    "{observed} vCPUs are free, {required} are needed",
    "ask for fewer vCPUs, end other VMs, or raise the node's VM capacity",
    "Declared vCPUs minus reservations are fewer than spec.resources.vcpus.",
)  # fmt: skip
INSUFFICIENT_MEMORY: Final = _row(
    "REJECT_INSUFFICIENT_MEMORY", "InsufficientMemory", Actor.USER, Precedence.NOT_NOW,
    "{observed} of memory is free, {required} is needed",
    "ask for less memory, end other VMs, or raise the node's VM capacity",
    "Declared memory minus reservations is less than guest memory plus the VMM's overhead.",
)  # fmt: skip
INSUFFICIENT_DISK: Final = _row(
    "REJECT_INSUFFICIENT_DISK", "InsufficientDisk", Actor.USER, Precedence.NOT_NOW,
    "{observed} of disk is free, {required} is needed",
    "ask for less disk, end other VMs, remove Persistent disks that nobody wants, or raise the node's VM capacity",
    "Declared disk is less than what overlays and new disks may grow to, beside what is reserved and the Persistent disks whose workload is not placed there.",
)  # fmt: skip
INSUFFICIENT_HUGEPAGES: Final = _row(
    "REJECT_INSUFFICIENT_HUGEPAGES", "InsufficientHugepages", Actor.USER, Precedence.NOT_NOW,
    "{observed} in huge pages of {subject} is free, {required} is needed",
    "ask for less memory or ordinary pages, or reserve huge pages on the node",
    "The node's free huge pages of the asked size are less than the guest's memory.",
)  # fmt: skip
TOO_MANY_VMS: Final = _row(
    "REJECT_TOO_MANY_VMS", "TooManyVMs", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{observed} VMs are placed on the node (limit {required})",
    "end other VMs, or raise maxVMsPerNode of the scheduling policy (512 at most)",
    "The scheduling policy limits how many VMs a node takes.",
)  # fmt: skip
CAPACITY_UNDECLARED: Final = _row(
    "CAPACITY_UNDECLARED", "CapacityUndeclared", Actor.ADMINISTRATOR, Precedence.MISCONFIGURED,
    "nobody has declared what VMs may use of this node",
    "set spec.capacity of its NodeTruth; without a kubelet there, capacity in the agent's settings does as well",
    "The truth holds no capacity: none is declared, a kubelet there keeps nothing back from pods, or without a kubelet the agent is configured to offer none.",
)  # fmt: skip
ARTIFACT_MISSING: Final = _row(
    "REJECT_ARTIFACT_MISSING", "ArtifactMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} is not on the node: {observed}",
    "copy the file into one of the node's image roots",
    "The node's inventory, which is complete, has no artefact of that name.",
)  # fmt: skip
ARTIFACT_UNKNOWN: Final = _row(
    "REJECT_ARTIFACT_UNKNOWN", "ArtifactUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "nobody knows whether {subject} is on the node: {observed}",
    "remove files from the node's image roots: 64 are listed; a hostPath must be a file right below one of them",
    "The inventory is truncated and the artefact is not among what is listed, or it is a path that no image root lists.",
)  # fmt: skip
ARTIFACT_KIND_MISMATCH: Final = _row(
    "REJECT_ARTIFACT_KIND_MISMATCH", "ArtifactKindMismatch", Actor.USER, Precedence.MISCONFIGURED,
    "{subject} is {observed}, {required} is needed",
    "refer to an artefact of the right kind",
    "The bytes of the artefact say that it is something else.",
)  # fmt: skip
ARTIFACT_ARCHITECTURE_MISMATCH: Final = _row(
    "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH", "ArtifactArchitectureMismatch", Actor.ADMINISTRATOR,
    Precedence.MISCONFIGURED,
    "{subject} is for {observed}, the node is {required}",
    "put the artefact for the node's architecture there under this name",
    "The bytes of the artefact prove another architecture than the node's.",
)  # fmt: skip
ARTIFACT_ARCHITECTURE_UNKNOWN: Final = _row(
    "REJECT_ARTIFACT_ARCHITECTURE_UNKNOWN", "ArtifactArchitectureUnknown", Actor.ADMINISTRATOR,
    Precedence.NOT_YET_KNOWN,
    "the bytes of {subject} do not tell its architecture (the node is {required})",
    "use a kernel in a known format: bzImage, arm64 Image, ELF",
    "Kernel bytes that no detector knows.",
)  # fmt: skip
ARTIFACT_ARCHITECTURE_CONFLICT: Final = _row(
    "REJECT_ARTIFACT_ARCHITECTURE_CONFLICT", "ArtifactArchitectureConflict", Actor.ADMINISTRATOR,
    Precedence.MISCONFIGURED,
    "the bytes of {subject} disagree about its architecture: {observed} (the node is {required})",
    "put a file there whose parts are all for one architecture",
    "Two findings in the bytes of the artefact prove different architectures.",
)  # fmt: skip
ARTIFACT_UNRECOGNISED: Final = _row(
    "REJECT_ARTIFACT_UNRECOGNISED", "ArtifactUnrecognised", Actor.ADMINISTRATOR,
    Precedence.NOT_YET_KNOWN,
    "what {subject} is cannot be told: {observed}",
    "put a whole, readable, regular file there; links are not followed",
    "The agent cannot tell what the file is: no regular file, unreadable, broken, made to exhaust its reader, or not looked at yet.",
)  # fmt: skip
ARTIFACT_REFUSED: Final = _row(
    "REJECT_ARTIFACT_REFUSED", "ArtifactRefused", Actor.ADMINISTRATOR, Precedence.MISCONFIGURED,
    "{subject} is refused for what its header asks: {observed}",
    "convert it to an image that stands alone: qemu-img convert -O qcow2",
    "The header of a disk image names other files, is encrypted, has snapshots, or is not understood.",
)  # fmt: skip
ARTIFACT_DIGEST_MISMATCH: Final = _row(
    "REJECT_ARTIFACT_DIGEST_MISMATCH", "ArtifactDigestMismatch", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} has the digest {observed}, {required} is pinned",
    "put the pinned file there, or change the pin",
    "The sha256 of the artefact is unknown or differs from the intent's.",
)  # fmt: skip
ARTIFACT_FORMAT_MISMATCH: Final = _row(
    "REJECT_ARTIFACT_FORMAT_MISMATCH", "ArtifactFormatMismatch", Actor.USER, Precedence.MISCONFIGURED,
    "{subject} is {observed}, the workload says {required}",
    "correct the disk's format in spec.disks; it is never probed by the VMM",
    "The bytes of a disk's artefact prove another format than spec.disks gives.",
)  # fmt: skip
