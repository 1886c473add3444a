"""Rows that reject a node, or a backend on it."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str,
    reason: str,
    actor: Actor,
    precedence: Precedence,
    sentence: str,
    remedy: str,
    cause: str,
) -> Row:
    return Row(code, reason, Stage.ELIGIBILITY, actor, precedence, sentence, remedy, cause)


def _launch(
    code: str,
    reason: str,
    actor: Actor,
    precedence: Precedence,
    sentence: str,
    remedy: str,
    cause: str,
) -> Row:
    return Row(code, reason, Stage.LAUNCH_VALIDATION, actor, precedence, sentence, remedy, cause)


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
    "The Node is unschedulable, or its NodeTruth says Cordoned or Draining.",
)  # fmt: skip
TAINT_NOT_TOLERATED: Final = _row(
    "REJECT_TAINT_NOT_TOLERATED", "TaintNotTolerated", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node carries the taint {observed}",
    "remove the taint from the Node",
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
    "see capability kvm_vm_launch of the NodeTruth: permissions, or a device that runs no guest",
    "/dev/kvm exists, but cannot be opened or runs no guest.",
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
CAPACITY_UNDECLARED: Final = _row(
    "CAPACITY_UNDECLARED", "CapacityUndeclared", Actor.ADMINISTRATOR, Precedence.MISCONFIGURED,
    "nobody has declared what VMs may use of this node",
    "set spec.capacity of its NodeTruth, or capacity in the agent's settings",
    "The truth holds no capacity.",
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
    "remove files from the node's image roots: 64 are listed",
    "The inventory is truncated and the artefact is not among what is listed.",
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
ARTIFACT_DIGEST_MISMATCH: Final = _row(
    "REJECT_ARTIFACT_DIGEST_MISMATCH", "ArtifactDigestMismatch", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} has the digest {observed}, {required} is pinned",
    "put the pinned file there, or change the pin",
    "The sha256 of the artefact is unknown or differs from the intent's.",
)  # fmt: skip
BACKEND_MISSING: Final = _launch(
    "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY", "QEMUMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node has {observed} (needs {required})",
    "install qemu-system for the node's architecture",
    "No QEMU for guests of the node's architecture was found.",
)  # fmt: skip
BACKEND_NOT_SUPPORTED_YET: Final = _launch(
    "BACKEND_NOT_SUPPORTED_YET", "BackendNotSupportedYet", Actor.USER, Precedence.MISCONFIGURED,
    "{subject} cannot be launched by this version of Schedune (needs {required})",
    "add QEMU to spec.backend.preference",
    "The backend is part of the API, but this version has no adapter for it.",
)  # fmt: skip
ACCELERATION_UNAVAILABLE: Final = _launch(
    "ERR_LAUNCH_ACCELERATION_UNAVAILABLE", "AccelerationUnavailable", Actor.ADMINISTRATOR,
    Precedence.NOT_NOW,
    "{subject} offers {observed} on this node (needs {required})",
    "install a build of the VMM that has this acceleration, or change spec.acceleration",
    "The binary, asked itself, does not have the acceleration.",
)  # fmt: skip
MACHINE_TYPE_MISSING: Final = _launch(
    "ERR_LAUNCH_MACHINE_TYPE_MISSING", "MachineTypeMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} has no machine type {required}",
    "install a build of QEMU that has this machine type",
    "QEMU, asked itself, does not list the machine type.",
)  # fmt: skip
DEVICE_MISSING: Final = _launch(
    "ERR_LAUNCH_DEVICE_MISSING", "DeviceMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} lacks {observed}",
    "install a build of QEMU that has these devices",
    "QEMU, asked itself, does not list a device that the launch needs.",
)  # fmt: skip
VERSION_UNKNOWN: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN", "BackendVersionUnknown", Actor.ADMINISTRATOR,
    Precedence.NOT_YET_KNOWN,
    "the version of {subject} is unknown (needs {required})",
    "run the binary with --version on the node",
    "A version is demanded and the binary did not tell its own.",
)  # fmt: skip
VERSION_TOO_OLD: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD", "BackendVersionTooOld", Actor.USER, Precedence.NOT_NOW,
    "{subject} is {observed}, at least {required} is needed",
    "upgrade it on the node, or lower spec.backend.versions",
    "The binary's version is below the demanded minimum.",
)  # fmt: skip
VERSION_MISMATCH: Final = _launch(
    "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH", "BackendVersionMismatch", Actor.USER, Precedence.NOT_NOW,
    "{subject} is {observed}, exactly {required} is needed",
    "install that version on the node, or change spec.backend.versions",
    "The binary's version is not the one demanded.",
)  # fmt: skip
