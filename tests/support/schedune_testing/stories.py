"""One story for each code that rejects a node: a node and an intent with exactly one cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmworkload import Backend, VMWorkloadStatus
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord, Taint
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune_testing.fleets import KVM, capability
from schedune_testing.nodes import NOW, facts, node, workload

ALL_BACKENDS = SchedulingPolicy(backends=list(Backend))
NO_FLOORS = SchedulingPolicy(backends=list(Backend), version_floors=[])
OTHER = {"app": "db"}


@dataclass(frozen=True)
class Story:
    """A world in which one thing stands in the way."""

    record: NodeRecord
    spec: Mapping[str, Any] = field(default_factory=dict)
    policy: SchedulingPolicy = DEFAULT_POLICY
    claims: tuple[ClaimRecord, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[NodeRecord, ...] = ()
    alone: bool = True
    """Whether the node's own record makes the story, without claims or neighbours."""

    def intent(self) -> Intent:
        """Return the parsed intent, with what is remembered of it."""
        read = read_workload(workload(**self.spec))
        assert not isinstance(read, tuple), read
        held = VMWorkloadStatus.model_validate(self.status)
        parsed = parse_intent(read, held)
        assert isinstance(parsed, Intent), parsed
        return parsed

    def explanation(self) -> Explanation:
        """Decide and explain."""
        fleet = Fleet.of([self.record, *self.beside], self.claims)
        return Explanation(decide(fleet, self.intent(), now=NOW, policy=self.policy))

    def codes(self) -> list[str]:
        """Return the codes against the story's node."""
        explanation = self.explanation()
        row = explanation.decision.fleet.row[self.record.name]
        if explanation.decision.eligible[row]:
            return []
        return [cause.reason.row.code for cause in explanation.causes(row)]


def codes_against(record: NodeRecord, **spec: Any) -> list[str]:
    """Return the codes against one node for an intent."""
    return Story(record, spec).codes()


def with_facts(**changes: Any) -> NodeRecord:
    """Return a healthy node with other facts."""
    return node("n", facts("n", **changes))


def with_capability(name: str, state: str, **changes: Any) -> NodeRecord:
    """Return a healthy node of which one more capability is known."""
    return with_facts(
        capabilities=[*facts("n")["capabilities"], capability(name, state, **changes)]
    )


def with_kvm(state: str, **changes: Any) -> NodeRecord:
    """Return a node whose KVM probe answered this."""
    return with_facts(capabilities=[capability(KVM, state, **changes)])


def with_qemu(**changes: Any) -> NodeRecord:
    """Return a node with another QEMU."""
    (qemu,) = facts("n")["backends"]
    return with_facts(backends=[{**qemu, **changes}])


def with_kernel(**changes: Any) -> NodeRecord:
    """Return a node with another kernel file."""
    (kernel,) = facts("n")["artifacts"]
    return with_facts(artifacts=[{**kernel, **changes}])


def with_vmm(name: str, version: str, *names: str, **changes: Any) -> NodeRecord:
    """Return a node with one other VMM, and capabilities that hold."""
    (kernel,) = facts("n")["artifacts"]
    vmm = {"name": name, "path": "/x", "architecture": "amd64", "accelerations": ["KVM"]}
    held = [*facts("n")["capabilities"], *(capability(one, "Supported") for one in names)]
    elf = [{**kernel, "format": "ELF"}, {**kernel, "name": "initrd", "kind": "Initrd"}, DISK]
    status = {"backends": [{**vmm, "version": version}], "capabilities": held, "artifacts": elf}
    return with_facts(**{**status, **changes})


DISK = {
    "name": "root",
    "kind": "Disk",
    "format": "Qcow2",
    "sizeBytes": 1,
    "virtualSizeBytes": 2**30,
}
ROOM = {"vcpus": 8, "memory": "16Gi", "disk": "10Gi", "basis": "Declared"}
QCOW2 = [{"name": "root", "source": {"artifact": "root"}, "format": "Qcow2", "access": "ReadOnly"}]
EPHEMERAL = [{**QCOW2[0], "access": "Ephemeral"}]
PERSISTENT = [{**QCOW2[0], "access": "Persistent"}]
WITH_DISK = {"artifacts": [*facts("n")["artifacts"], DISK], "capacity": ROOM}
TUN, CGROUPS = "firecracker_tun_ready", "firecracker_cgroups_ready"
KERNEL_AND_INITRD = {"kernel": {"artifact": "kernel"}, "initrd": {"artifact": "initrd"}}


def only(name: str, **versions: Any) -> dict[str, Any]:
    """Return an intent for one backend."""
    demands = [{"name": name, **versions}] if versions else []
    return {"backend": {"preference": [name], "versions": demands}}


def microvm(**spec: Any) -> dict[str, Any]:
    """Return an intent for Firecracker that it can launch."""
    return {**only("Firecracker"), "runtimeClass": "MicroVM", "boot": KERNEL_AND_INITRD, **spec}


def placing(**policy: Any) -> dict[str, Any]:
    """Return an intent with this placement policy."""
    return {"placement": policy}


ANTI = placing(antiAffinity=[{"topologyKey": "zone", "workloadSelector": {"matchLabels": OTHER}}])
SPREAD = placing(topologySpread=[{
    "topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
    "workloadSelector": {"matchLabels": OTHER},
}])  # fmt: skip
NEIGHBOUR = ClaimRecord("n", "p1", 1, 1, namespace="default", workload_uid="w1", labels=OTHER)
ZONED = node("n", labels={"zone": "a"})
AFFINITY = {
    "required": {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
        ]
    }
}
HOME = {"persistentDisks": [{"disk": "root", "nodeName": "gone", "nodeUID": "uid-gone"}]}
FAILED = {
    "history": [{
        "attempt": 1, "nodeName": "n", "placementUID": "p0",
        "code": "ERR_EXEC_RUNTIME_SPAWN_FAILED",
        "endTime": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }]
}  # fmt: skip
BOUND = {"history": [{"attempt": 1, "nodeName": "m", "placementUID": "p0"}]}
HOLDER = node("m", facts("m", **WITH_DISK, persistentDisks=[{
    "namespace": "default", "namespaceUID": "u", "workload": "vm", "disk": "root", "sizeBytes": 1,
}]))  # fmt: skip
RUNNING = node("m", facts("m", liveVMs=[{
    "placementUID": "p0", "workloadUID": "u", "namespace": "default", "name": "vm",
}]))  # fmt: skip
OLD = datetime(2026, 11, 24, 11, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

STORIES: Mapping[str, Story] = {
    "REJECT_NODE_UNHEALTHY": Story(with_facts(health={"state": "Quarantined"})),
    "REJECT_NODE_HEALTH_UNKNOWN": Story(with_facts(health={"state": "Unknown"})),
    "REJECT_NODE_NOT_READY": Story(node("n", node_ready=None)),
    "REJECT_NODE_CORDONED": Story(node("n", scheduling="Cordoned")),
    "REJECT_NODE_DRAINING": Story(node("n", scheduling="Draining")),
    "REJECT_TAINT_NOT_TOLERATED": Story(node("n", taints=(Taint("k", "", "NoSchedule"),))),
    "REJECT_TRUTH_MISSING": Story(node("n", truth=None)),
    "REJECT_TELEMETRY_STALE": Story(node("n", age_s=181)),
    "REJECT_CLOCK_SKEW": Story(node("n", age_s=-60)),
    "REJECT_PROBE_FAILED": Story(
        with_facts(probes=[{"name": "thermal", "outcome": "TimedOut", "durationMilliseconds": 1}])
    ),
    "REJECT_ARCHITECTURE_MISMATCH": Story(node("n"), {"architecture": "arm64"}),
    "REJECT_NODE_SELECTOR_MISMATCH": Story(node("n"), placing(nodeSelector={"a": "b"})),
    "REJECT_NODE_AFFINITY_MISMATCH": Story(ZONED, placing(nodeAffinity=AFFINITY)),
    "REJECT_COMPATIBILITY_CLASS_MISMATCH": Story(
        with_facts(compatibilityClass="X86HoldingPool"), placing(compatibilityClasses=["Other"])
    ),
    "REJECT_COMPATIBILITY_CLASS_UNKNOWN": Story(node("n"), placing(compatibilityClasses=["Other"])),
    "REJECT_FORBIDDEN_CONSTRAINT": Story(
        with_facts(
            constraints=[{"code": "DISK_SLOW", "type": "t", "observed": "o", "expected": "e"}]
        ),
        placing(forbiddenConstraints=["DISK_SLOW"]),
    ),
    "REJECT_MISSING_KVM": Story(with_kvm("Unsupported")),
    "REJECT_KVM_UNAVAILABLE": Story(with_kvm("Unavailable")),
    "REJECT_KVM_DENIED": Story(with_kvm("Unavailable", reasonCode="CAP_KVM_NOT_OPENABLE_PERMS")),
    "REJECT_KVM_UNKNOWN": Story(with_facts(capabilities=[])),
    "REJECT_MISSING_TPM": Story(
        with_capability("hardware_tpm", "Unsupported"),
        placing(requiredCapabilities=["hardware_tpm"]),
    ),
    "ERR_LAUNCH_MISSING_CAPABILITY_SECCOMP": Story(
        with_capability("kernel_seccomp_supported", "Unsupported"),
        placing(requiredCapabilities=["kernel_seccomp_supported"]),
    ),
    "REJECT_CAPABILITY_UNSUPPORTED": Story(
        with_capability("gpu", "Unsupported"), placing(requiredCapabilities=["gpu"])
    ),
    "REJECT_CAPABILITY_UNAVAILABLE": Story(
        with_capability("gpu", "Unavailable"), placing(requiredCapabilities=["gpu"])
    ),
    "REJECT_CAPABILITY_DENIED": Story(
        with_capability("gpu", "Unavailable", reasonCode="CAP_KVM_NOT_OPENABLE_PERMS"),
        placing(requiredCapabilities=["gpu"]),
    ),
    "REJECT_CAPABILITY_UNKNOWN": Story(node("n"), placing(requiredCapabilities=["gpu"])),
    "REJECT_CAPABILITY_STALE": Story(
        with_capability("gpu", "Supported", observedTime=OLD, staleAfterSeconds=60),
        placing(requiredCapabilities=["gpu"]),
    ),
    "REJECT_INSUFFICIENT_VCPUS": Story(node("n"), {"resources": {"vcpus": 9, "memory": "1Gi"}}),
    "REJECT_INSUFFICIENT_MEMORY": Story(node("n"), {"resources": {"vcpus": 1, "memory": "16Gi"}}),
    "REJECT_INSUFFICIENT_DISK": Story(
        with_facts(**{**WITH_DISK, "capacity": {**ROOM, "disk": "0"}}), {"disks": EPHEMERAL}
    ),
    "REJECT_INSUFFICIENT_HUGEPAGES": Story(
        node("n"), {"resources": {"vcpus": 1, "memory": "1Gi", "hugepages": "2Mi"}}
    ),
    "REJECT_TOO_MANY_VMS": Story(
        node("n"), policy=SchedulingPolicy(max_vms_per_node=1), claims=(NEIGHBOUR,), alone=False
    ),
    "CAPACITY_UNDECLARED": Story(with_facts(capacity=None)),
    "REJECT_ARTIFACT_MISSING": Story(with_facts(artifacts=[])),
    "REJECT_ARTIFACT_UNKNOWN": Story(with_facts(artifacts=[], artifactsTruncated=3)),
    "REJECT_ARTIFACT_KIND_MISMATCH": Story(with_kernel(kind="Disk")),
    "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH": Story(with_kernel(architecture="arm64")),
    "REJECT_ARTIFACT_ARCHITECTURE_UNKNOWN": Story(with_kernel(architecture="Unknown")),
    "REJECT_ARTIFACT_DIGEST_MISMATCH": Story(
        node("n"), {"boot": {"kernel": {"artifact": "kernel", "sha256": "a" * 64}}}
    ),
    "REJECT_ARTIFACT_FORMAT_MISMATCH": Story(
        with_facts(**WITH_DISK), {"disks": [{**QCOW2[0], "format": "Raw"}]}
    ),
    "REJECT_BRIDGE_MISSING": Story(
        with_capability(TUN, "Supported"),
        {"networks": [{"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}}]},
    ),
    "REJECT_PERSISTENT_DISK_ELSEWHERE": Story(
        with_facts(**WITH_DISK), {"disks": PERSISTENT}, beside=(HOLDER,), alone=False
    ),
    "PERSISTENT_DISK_LOST": Story(with_facts(**WITH_DISK), {"disks": PERSISTENT}, status=HOME),
    "PERSISTENT_DISK_UNKNOWN": Story(
        with_facts(**WITH_DISK),
        {"disks": PERSISTENT},
        status=BOUND,
        beside=(node("m", age_s=900),),
        alone=False,
    ),
    "REJECT_LIVE_VM": Story(node("n"), beside=(RUNNING,), alone=False),
    "REJECT_ANTI_AFFINITY": Story(ZONED, ANTI, claims=(NEIGHBOUR,), alone=False),
    "REJECT_TOPOLOGY_SPREAD": Story(
        ZONED, SPREAD, claims=(NEIGHBOUR,), beside=(node("m", labels={"zone": "b"}),), alone=False
    ),
    "REJECT_TOPOLOGY_LABEL_MISSING": Story(node("n"), SPREAD),
    "REJECT_RECENT_FAILURE": Story(node("n"), status=FAILED, alone=False),
    "ERR_LAUNCH_MISSING_CAPABILITY_QEMU_BINARY": Story(with_facts(backends=[]), only("QEMU")),
    "ERR_LAUNCH_MISSING_CAPABILITY_CH_BINARY": Story(
        with_vmm("Firecracker", "1.15.2"), only("CloudHypervisor"), ALL_BACKENDS
    ),
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_BINARY": Story(
        with_vmm("CloudHypervisor", "52.0", TUN, CGROUPS), microvm(), ALL_BACKENDS
    ),
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_TUN": Story(
        with_vmm("Firecracker", "1.15.2", CGROUPS), microvm(), ALL_BACKENDS
    ),
    "ERR_LAUNCH_MISSING_CAPABILITY_FC_CGROUPS": Story(
        with_vmm("Firecracker", "1.15.2", TUN), microvm(), ALL_BACKENDS
    ),
    "ERR_LAUNCH_BACKEND_UNKNOWN": Story(
        with_facts(
            backends=[],
            capabilities=[
                *facts("n")["capabilities"],
                capability("qemu_binary_present", "Unknown"),
            ],
        ),
        only("QEMU"),
    ),
    "BACKEND_NOT_SUPPORTED_YET": Story(
        with_vmm("CloudHypervisor", "52.0"), only("CloudHypervisor")
    ),
    "ERR_LAUNCH_BACKEND_NOT_SUPPORTED": Story(
        with_vmm("Firecracker", "1.15.2", TUN, CGROUPS),
        microvm(runtimeClass="VirtualMachine"),
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_ACCELERATION_UNAVAILABLE": Story(
        with_qemu(accelerations=["Emulated"]), only("QEMU")
    ),
    "ERR_LAUNCH_MACHINE_TYPE_MISSING": Story(with_qemu(machineTypes=[]), only("QEMU")),
    "ERR_LAUNCH_DEVICE_MISSING": Story(with_qemu(features=[]), only("QEMU")),
    "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN": Story(
        with_qemu(version=None), only("QEMU", minimum="7.0")
    ),
    "ERR_LAUNCH_RUNTIME_VERSION_UNPARSEABLE": Story(
        with_qemu(version="none"), only("QEMU", minimum="7.0")
    ),
    "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD": Story(node("n"), only("QEMU", minimum="8.0")),
    "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH": Story(node("n"), only("QEMU", exact="7.1")),
    "ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR": Story(
        with_vmm("CloudHypervisor", "50.0"), only("CloudHypervisor"), ALL_BACKENDS
    ),
    "ERR_LAUNCH_NO_EMULATION": Story(
        with_vmm("CloudHypervisor", "52.0"),
        {**only("CloudHypervisor"), "acceleration": "Emulated"},
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_INVALID_STORAGE_FORMAT": Story(
        with_vmm("CloudHypervisor", "51.2"),
        {**only("CloudHypervisor"), "disks": QCOW2},
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_INVALID_FIRECRACKER_ARTIFACT_MODEL": Story(
        with_vmm("Firecracker", "1.15.2", TUN, CGROUPS),
        microvm(boot={"kernel": {"artifact": "kernel"}}),
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_MISSING_ARTIFACT": Story(
        with_facts(artifacts=[{**DISK, "name": "ovmf", "kind": "Firmware"}]),
        {**only("QEMU"), "boot": {"firmware": {"artifact": "ovmf"}}},
    ),
    "ERR_LAUNCH_KERNEL_FORMAT": Story(
        with_vmm(
            "Firecracker",
            "1.15.2",
            TUN,
            CGROUPS,
            artifacts=[
                {**facts("n")["artifacts"][0], "format": "BzImage"},
                {**facts("n")["artifacts"][0], "name": "initrd", "kind": "Initrd"},
            ],
        ),
        microvm(),
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_NETWORK_TYPE": Story(
        with_vmm("CloudHypervisor", "52.0"),
        {**only("CloudHypervisor"), "networks": [{"name": "nat", "type": "User"}]},
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_TOO_MANY_VCPUS": Story(
        with_vmm("Firecracker", "1.15.2", TUN, CGROUPS, capacity={**ROOM, "vcpus": 64}),
        microvm(resources={"vcpus": 33, "memory": "1Gi"}),
        ALL_BACKENDS,
    ),
    "ERR_LAUNCH_HUGEPAGE_SIZE": Story(
        with_vmm("Firecracker", "1.15.2", TUN, CGROUPS, capacity={**ROOM, "hugepages": ["1Gi=4"]}),
        microvm(resources={"vcpus": 1, "memory": "1Gi", "hugepages": "1Gi"}),
        ALL_BACKENDS,
    ),
}
