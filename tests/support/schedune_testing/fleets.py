"""Random fleets and intents for property tests: small, and with everything going wrong at times."""

from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from schedune.api.nodetruth import Artifact
from schedune.fleet.node import NodeRecord, Taint
from schedune.fleet.peers import NOBODY, peer_of
from schedune.launch.intent import Intent
from schedune_testing.nodes import facts, node

KVM = "kvm_vm_launch"
MEMORIES = st.integers(0, 64).map(lambda gibi: f"{gibi}Gi")


def capability(name: str, state: str, **changes: Any) -> dict[str, Any]:
    """Return a capability as a truth holds it."""
    return {
        "name": name,
        "state": state,
        "reasonCode": "CAP_KVM_MISSING",
        "observedTime": "2026-11-24T12:00:00Z",
        **changes,
    }


@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeRecord:
    """Draw a node on which a few things may be wrong."""
    architecture = draw(st.sampled_from(["amd64", "arm64"]))
    kvm = draw(st.sampled_from(["Supported", "Unsupported", "Unknown"]))
    capacity = {
        "vcpus": draw(st.integers(0, 16)),
        "memory": draw(MEMORIES),
        "basis": "Declared",
    }
    status = facts(name, architecture, capacity=capacity, capabilities=[capability(KVM, kvm)])
    age = draw(st.sampled_from([1, 100, 500]))
    return node(name, status, age_s=age, unschedulable=draw(st.booleans()))


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeRecord]:
    """Draw a small fleet."""
    return [draw(nodes(f"n{index:02}")) for index in range(draw(st.integers(0, 8)))]


SPECS = st.fixed_dictionaries({
    "architecture": st.sampled_from(["amd64", "arm64", "Any"]),
    "acceleration": st.sampled_from(["KVM", "Emulated"]),
    "resources": st.fixed_dictionaries(
        {"vcpus": st.integers(1, 20), "memory": st.integers(1, 70).map(lambda gi: f"{gi}Gi")}
    ),
})  # fmt: skip
"""Demands that some of these nodes meet."""

KERNELS = ["BzImage", "ELF", "Image"]
BACKENDS = ["QEMU", "CloudHypervisor", "Firecracker"]


@st.composite
def varied_nodes(draw: st.DrawFn, name: str) -> NodeRecord:
    """Draw a node on which anything may be wrong, with every backend."""
    few = st.sampled_from([True, True, False])
    architecture = draw(st.sampled_from(["amd64", "arm64"]))
    backends = [_binary(one, architecture, draw) for one in BACKENDS if draw(few)]
    names = (KVM, "hardware_tpm", "firecracker_tun_ready", "firecracker_cgroups_ready")
    states = st.sampled_from(["Supported", "Supported", "Unsupported", "Unavailable", "Unknown"])
    status = facts(
        name,
        architecture,
        artifacts=facts(name, architecture)["artifacts"] if draw(few) else [],
        backends=backends,
        capabilities=[capability(one, draw(states)) for one in names if draw(few)],
        capacity={
            "vcpus": draw(st.integers(0, 16)),
            "memory": draw(MEMORIES),
            "basis": "Declared",
        },
        compatibilityClass=draw(st.sampled_from(["ArmProduction", "X86HoldingPool", None])),
        health={"state": draw(st.sampled_from(["Healthy", "Healthy", "Degraded", "Unknown"]))},
    )
    if not draw(few):
        status["identity"] = {**status["identity"], "execution": "PreparesOnly"}
    taint = Taint("vms", "only", "NoSchedule")
    return node(
        name,
        status,
        age_s=draw(st.sampled_from([1, 1, 100, 500])),
        unschedulable=not draw(few),
        labels={"zone": draw(st.sampled_from("ab"))},
        taints=() if draw(few) else (taint,),
    )


def _binary(name: str, architecture: str, draw: st.DrawFn) -> dict[str, Any]:
    (qemu,) = facts("n", architecture)["backends"]
    versions = {"QEMU": ["7.2.0", "9.0.0"], "CloudHypervisor": ["50.0", "52.0"]}
    version = draw(st.sampled_from(versions.get(name, ["1.13.0", "1.15.2"])))
    if name == "QEMU":
        return {**qemu, "version": version}
    return {
        "name": name,
        "path": "/usr/bin/vmm",
        "version": version,
        "architecture": architecture,
        "accelerations": ["KVM"],
    }


@st.composite
def fleets_with_heavy_files(draw: st.DrawFn, most: int = 6) -> list[NodeRecord]:
    """Draw such a fleet where kernel and initrd take memory, or nobody knows how much."""
    return [
        _with_heavy_files(record, draw) if draw(st.booleans()) else record
        for record in draw(varied_fleets(most))
    ]


def _with_heavy_files(record: NodeRecord, draw: st.DrawFn) -> NodeRecord:
    truth = record.truth
    assert truth is not None
    gibi = st.integers(1, 40).map(lambda one: one * 2**30)
    architecture = truth.status.cpu.architecture if truth.status.cpu else "amd64"
    kernel = {"name": "kernel", "kind": "Kernel", "format": draw(st.sampled_from(KERNELS))}
    kernel |= {"sizeBytes": 1, "memoryBytes": draw(gibi), "architecture": architecture}
    initrd = {"name": "initrd", "kind": "Initrd", "format": "Gzip", "sizeBytes": draw(gibi)}
    artifacts = [
        Artifact.model_validate(one) for one in (kernel, initrd | {"architecture": architecture})
    ]
    status = truth.status.model_copy(update={"artifacts": artifacts})
    return replace(record, truth=truth.model_copy(update={"status": status}))


@st.composite
def varied_fleets(draw: st.DrawFn, most: int = 6) -> list[NodeRecord]:
    """Draw a small fleet on which anything may be wrong."""
    return [draw(varied_nodes(f"n{index:02}")) for index in range(draw(st.integers(1, most)))]


VARIED_SPECS = st.fixed_dictionaries({
    "launchMode": st.sampled_from(["Execute", "Execute", "DryRun"]),
    "architecture": st.sampled_from(["amd64", "Any"]),
    "resources": st.fixed_dictionaries(
        {"vcpus": st.integers(1, 20), "memory": st.integers(1, 70).map(lambda gi: f"{gi}Gi")}
    ),
    "backend": st.fixed_dictionaries({
        "preference": st.permutations(BACKENDS).map(lambda order: order[:2]),
        "versions": st.sampled_from([[], [{"name": "QEMU", "minimum": "8.0"}]]),
    }),
    "placement": st.fixed_dictionaries({
        "nodeSelector": st.sampled_from([{}, {"zone": "a"}]),
        "compatibilityClasses": st.sampled_from([[], ["ArmProduction"]]),
        "requiredCapabilities": st.sampled_from([[], ["hardware_tpm"]]),
        "maxTruthAgeSeconds": st.sampled_from([60, 300]),
    }),
})  # fmt: skip
"""Demands of every kind."""
BOOTS = st.sampled_from([
    {"kernel": {"artifact": "kernel"}},
    {"kernel": {"artifact": "kernel"}, "initrd": {"artifact": "initrd"}},
])  # fmt: skip
"""What is booted from such files."""


KEEPS_Y_AWAY: Final = peer_of(
    {},
    {"antiAffinity": [{"topologyKey": "zone", "workloadSelector": {"matchLabels": {"app": "y"}}}]},
)
PEERS: Final = st.sampled_from([NOBODY, KEEPS_Y_AWAY])
"""What a workload is to others."""


def labelled(intent: Intent, data: Any) -> Intent:
    """Return an intent whose workload may be one that is kept away."""
    return replace(intent, labels={"app": data.draw(st.sampled_from("xy"))})
