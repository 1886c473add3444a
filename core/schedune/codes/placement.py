"""Rows that reject a node for what the intent says of places: labels, capabilities, company."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Stage, rejecting

_row: Final = rejecting(Stage.ELIGIBILITY)

AFFINITY_MISMATCH: Final = _row(
    "REJECT_NODE_AFFINITY_MISMATCH", "NodeAffinityMismatch", Actor.USER, Precedence.IMPOSSIBLE,
    "the node's labels have {observed}, the affinity needs {required}",
    "change spec.placement.nodeAffinity.required, or label the Node",
    "No term of the required node affinity holds for the node's labels.",
)  # fmt: skip
CLASS_MISMATCH: Final = _row(
    "REJECT_COMPATIBILITY_CLASS_MISMATCH", "CompatibilityClassMismatch", Actor.USER, Precedence.IMPOSSIBLE,
    "the node's class is {observed}, the workload accepts {required}",
    "add the class to spec.placement.compatibilityClasses, or override the node's in its NodeTruth",
    "The node's compatibility class is not among those that the workload accepts.",
)  # fmt: skip
CLASS_UNKNOWN: Final = _row(
    "REJECT_COMPATIBILITY_CLASS_UNKNOWN", "CompatibilityClassUnknown", Actor.ADMINISTRATOR,
    Precedence.NOT_YET_KNOWN,
    "the node's class is unknown, the workload accepts {required}",
    "set spec.compatibilityClass of its NodeTruth, or update the agent",
    "The truth holds no compatibility class and the workload accepts certain ones only.",
)  # fmt: skip
FORBIDDEN_CONSTRAINT: Final = _row(
    "REJECT_FORBIDDEN_CONSTRAINT", "ForbiddenConstraint", Actor.USER, Precedence.NOT_NOW,
    "the node carries {subject} ({observed}), which the workload forbids",
    "remove the code from spec.placement.forbiddenConstraints, or repair the node",
    "The node carries a constraint that spec.placement.forbiddenConstraints names.",
)  # fmt: skip
CAPABILITY_UNSUPPORTED: Final = _row(
    "REJECT_CAPABILITY_UNSUPPORTED", "CapabilityUnsupported", Actor.ADMINISTRATOR, Precedence.IMPOSSIBLE,
    "the node does not have {subject}: {observed}",
    "choose other nodes, or install what is missing",
    "A capability that the intent needs is Unsupported.",
)  # fmt: skip
TPM_MISSING: Final = _row(
    "REJECT_MISSING_TPM", "TPMMissing", Actor.ADMINISTRATOR, Precedence.IMPOSSIBLE,
    "the node has no TPM: {observed}",
    "choose nodes with a TPM, or remove hardware_tpm from spec.placement.requiredCapabilities",
    "The capability hardware_tpm is needed and Unsupported.",
)  # fmt: skip
SECCOMP_MISSING: Final = _row(
    "ERR_LAUNCH_MISSING_CAPABILITY_SECCOMP", "SeccompMissing", Actor.ADMINISTRATOR, Precedence.IMPOSSIBLE,
    "the node's kernel has no seccomp: {observed}",
    "use a kernel with CONFIG_SECCOMP_FILTER",
    "The capability kernel_seccomp_supported is needed and Unsupported.",
)  # fmt: skip
CAPABILITY_UNAVAILABLE: Final = _row(
    "REJECT_CAPABILITY_UNAVAILABLE", "CapabilityUnavailable", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "{subject} is there but does not serve: {observed}",
    "see the capability in the node's NodeTruth",
    "A capability that the intent needs is Unavailable.",
)  # fmt: skip
CAPABILITY_DENIED: Final = _row(
    "REJECT_CAPABILITY_DENIED", "CapabilityDenied", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the agent may not use {subject}: {observed}",
    "give the agent the right: see the capability in the node's NodeTruth",
    "A capability that the intent needs is there and the agent is not permitted to use it.",
)  # fmt: skip
CAPABILITY_UNKNOWN: Final = _row(
    "REJECT_CAPABILITY_UNKNOWN", "CapabilityUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "nobody knows whether the node has {subject}: {observed}",
    "check the probe of that name in the node's NodeTruth",
    "A capability that the intent needs is Unknown, or the truth does not mention it.",
)  # fmt: skip
CAPABILITY_STALE: Final = _row(
    "REJECT_CAPABILITY_STALE", "CapabilityStale", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "what is known of {subject} is {observed} too old",
    "check the probe of that name in the node's NodeTruth",
    "A capability that the intent needs was observed longer ago than it may be believed.",
)  # fmt: skip
LIVE_VM: Final = _row(
    "REJECT_LIVE_VM", "LiveVM", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "a VM of this workload still runs on {observed}: a second one waits for {required}",
    "wait for it to end; if its placement is gone, see the orphans of that node",
    "A node's truth lists a live VM of this workload; there is never a second one.",
)  # fmt: skip
ANTI_AFFINITY: Final = _row(
    "REJECT_ANTI_AFFINITY", "AntiAffinity", Actor.USER, Precedence.NOT_NOW,
    "{observed} runs in the same {subject}; the workload keeps away from it",
    "change spec.placement.antiAffinity, or move the other workload",
    "A workload that spec.placement.antiAffinity selects is placed in the same topology domain.",
)  # fmt: skip
EXISTING_ANTI_AFFINITY: Final = _row(
    "REJECT_EXISTING_ANTI_AFFINITY", "ExistingAntiAffinity", Actor.USER, Precedence.NOT_NOW,
    "{observed} runs in the same {subject} and keeps this workload away",
    "change the workload's labels or spec.placement.antiAffinity of the other, or move that one",
    "The spec.placement.antiAffinity of a workload that is placed in the same topology domain"
    " selects this one.",
)  # fmt: skip
SPREAD_SKEW: Final = _row(
    "REJECT_TOPOLOGY_SPREAD", "TopologySpread", Actor.USER, Precedence.NOT_NOW,
    "placing here makes a difference of {observed} between places of {subject} (limit {required})",
    "raise maxSkew of spec.placement.topologySpread, or add nodes elsewhere",
    "The place would hold more of the selected workloads than maxSkew allows over the emptiest.",
)  # fmt: skip
SPREAD_LABEL_MISSING: Final = _row(
    "REJECT_TOPOLOGY_LABEL_MISSING", "TopologyLabelMissing", Actor.ADMINISTRATOR, Precedence.MISCONFIGURED,
    "the node has no label {subject}, by which the workload is spread",
    "label the Node, or change spec.placement.topologySpread",
    "A topology spread that must hold uses a label that the node does not have.",
)  # fmt: skip
BRIDGE_MISSING: Final = _row(
    "REJECT_BRIDGE_MISSING", "BridgeMissing", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the node has no bridge {required} (it has {observed})",
    "make the bridge on the node, or name one that is there in spec.networks",
    "A network of type Tap names a bridge that the node's truth does not list.",
)  # fmt: skip
NODE_PORT_TAKEN: Final = _row(
    "REJECT_NODE_PORT_TAKEN", "NodePortTaken", Actor.USER, Precedence.NOT_NOW,
    "port {required} of the node leads into {observed}",
    "choose another nodePort in spec.networks, or wait until that VM has ended",
    "A placement on the node has a port forward with this nodePort and protocol.",
)  # fmt: skip
PERSISTENT_DISK_ELSEWHERE: Final = _row(
    "REJECT_PERSISTENT_DISK_ELSEWHERE", "PersistentDiskElsewhere", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the Persistent disk {subject} is on {observed}, and the VM must run where it is",
    "make that node eligible; nothing moves a disk by itself",
    "Another node's truth lists a Persistent disk of this workload.",
)  # fmt: skip
PERSISTENT_DISK_UNKNOWN: Final = _row(
    "PERSISTENT_DISK_UNKNOWN", "PersistentDiskUnknown", Actor.ADMINISTRATOR, Precedence.NOT_YET_KNOWN,
    "the silent node {observed} may hold the Persistent disk {subject}: no fresh one is made",
    "bring the node back, or give the disk up",
    "No node lists the disk, and a silent node may hold it.",
)  # fmt: skip
PERSISTENT_DISK_LOST: Final = _row(
    "PERSISTENT_DISK_LOST", "PersistentDiskLost", Actor.ADMINISTRATOR, Precedence.NOT_NOW,
    "the Persistent disk {subject} was on {observed}, which is gone",
    "bring the node back, or give the disk up",
    "The Node that held the disk does not exist any more.",
)  # fmt: skip
QUOTA_VCPUS: Final = _row(
    "REJECT_NAMESPACE_QUOTA_VCPUS", "NamespaceQuotaVCPUs", Actor.USER, Precedence.NOT_NOW,
    "the VMs of namespace {subject} hold {observed} vCPUs that they may have, the VM needs {required}",
    "end another VM of the namespace or ask for fewer vCPUs; an administrator may raise the Namespace's annotation schedune.io/max-vcpus",
    "The annotation schedune.io/max-vcpus of the Namespace limits the vCPUs of its VMs together.",
)  # fmt: skip
QUOTA_MEMORY: Final = _row(
    "REJECT_NAMESPACE_QUOTA_MEMORY", "NamespaceQuotaMemory", Actor.USER, Precedence.NOT_NOW,
    "the VMs of namespace {subject} hold {observed} of guest memory that they may have, the VM needs {required}",
    "end another VM of the namespace or ask for less memory; an administrator may raise the Namespace's annotation schedune.io/max-memory",
    "The annotation schedune.io/max-memory of the Namespace limits the guest memory of its VMs together.",
)  # fmt: skip
QUOTA_UNREADABLE: Final = _row(
    "REJECT_NAMESPACE_QUOTA_UNREADABLE", "NamespaceQuotaUnreadable", Actor.ADMINISTRATOR, Precedence.MISCONFIGURED,
    "the quota of namespace {subject} cannot be read ({observed}): it must be {required}",
    "write schedune.io/max-vcpus as a whole number and schedune.io/max-memory as a quantity, such as 64Gi",
    "An annotation of the Namespace that limits its VMs is no number or no quantity; nobody guesses what was meant.",
)  # fmt: skip
RECENT_FAILURE: Final = _row(
    "REJECT_RECENT_FAILURE", "RecentFailure", Actor.NOBODY, Precedence.NOT_NOW,
    "the workload failed here {observed} ago ({subject}); tried again after {required}",
    "wait, or look at status.history for what failed",
    "This workload has just failed on the node, and its back-off is not over.",
)  # fmt: skip
