"""Good manifests with a valid value for every field of a spec."""

from copy import deepcopy
from typing import Any

Object = dict[str, Any]
_SHA256 = "0123456789abcdef" * 4
_EXPRESSION = {"key": "zone", "operator": "In", "values": ["a", "b"]}
_SELECTOR = {"matchLabels": {"app": "web"}}


def workload(spec: Object, name: str = "probe") -> Object:
    """Return a VMWorkload with this spec."""
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMWorkload",
        "metadata": {"name": name, "namespace": "default"},
        "spec": deepcopy(spec),
    }


def minimal_workload(name: str = "probe") -> Object:
    """Return a VMWorkload with nothing that is not required."""
    return workload(
        {
            "runtimeClass": "VirtualMachine",
            "architecture": "amd64",
            "resources": {"vcpus": 1, "memory": "256Mi"},
            "boot": {"kernel": {"artifact": "linux"}},
        },
        name,
    )


def full_workloads() -> list[Object]:
    """Return two VMWorkloads that together hold every field: some exclude each other."""
    spec: Object = {
        "runtimeClass": "VirtualMachine",
        "architecture": "amd64",
        "resources": {"vcpus": 2, "memory": "2Gi", "hugepages": "2Mi"},
        "acceleration": "KVM",
        "boot": {
            "kernel": {"artifact": "linux", "sha256": _SHA256},
            "initrd": {"artifact": "initrd", "sha256": _SHA256},
            "commandLine": "console=ttyS0",
        },
        "disks": _disks(),
        "networks": _networks(),
        "guest": {
            "hostname": "web-1",
            "userData": {"inline": "#cloud-config"},
            "sshAuthorizedKeys": {"inline": ["ssh-ed25519 AAAA someone"]},
        },
        "backend": {
            "preference": ["QEMU", "CloudHypervisor"],
            "versions": [
                {"name": "QEMU", "minimum": "8.2"},
                {"name": "CloudHypervisor", "exact": "41.0.0"},
            ],
        },
        "placement": _placement(),
        "priorityClassName": "high",
        "launchMode": "Execute",
        "runState": "Running",
        "restartPolicy": "OnFailure",
        "restartToken": "1",
        "updateStrategy": "OnRestart",
        "readiness": {"level": "Guest", "probe": {"type": "TCP", "port": 22}, "timeoutSeconds": 60},
        "terminationGraceSeconds": 60,
        "schedulingDeadlineSeconds": 600,
    }
    secret = {"secretRef": {"name": "guest", "key": "data"}}
    other = deepcopy(spec)
    other["readiness"]["probe"] = {"type": "Console", "marker": "login:"}
    other["boot"] = {"firmware": {"artifact": "ovmf", "sha256": _SHA256}}
    other["guest"] = {"userData": secret, "sshAuthorizedKeys": secret}
    return [workload(spec), workload(other)]


def _disks() -> list[Object]:
    common = {"format": "Raw", "access": "Persistent", "retention": "Retain", "bootOrder": 1}
    sources: list[Object] = [
        {"artifact": "debian"},
        {"hostPath": "/var/lib/images/a.raw"},
        {"empty": {"size": "10Gi"}},
    ]
    return [
        {"name": f"disk{number}", "source": source, **common}
        for number, source in enumerate(sources)
    ]


def _networks() -> list[Object]:
    forward = {"name": "ssh", "protocol": "TCP", "nodePort": 2222, "guestPort": 22}
    return [
        {
            "name": "lan",
            "type": "Tap",
            "tap": {"bridge": "br0", "macAddress": "52:54:00:12:34:56"},
        },
        {"name": "nat", "type": "User", "user": {"portForwards": [forward]}},
    ]


def _placement() -> Object:
    term = {"matchExpressions": [deepcopy(_EXPRESSION)]}
    spread = {"topologyKey": "zone", "workloadSelector": deepcopy(_SELECTOR)}
    return {
        "nodeSelector": {"disk": "fast"},
        "nodeAffinity": {
            "required": {"nodeSelectorTerms": [deepcopy(term)]},
            "preferred": [{"weight": 10, "preference": deepcopy(term)}],
        },
        "tolerations": [
            {"key": "vms", "operator": "Equal", "value": "only", "effect": "NoSchedule"}
        ],
        "compatibilityClasses": ["ArmProduction"],
        "requiredCapabilities": ["kvm_vm_launch"],
        "preferredCapabilities": ["vhost_net"],
        "forbiddenConstraints": ["DISK_PRESSURE"],
        "antiAffinity": [deepcopy(spread)],
        "topologySpread": [
            {**deepcopy(spread), "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "maxTruthAgeSeconds": 300,
    }


def placement(*, other: bool = False) -> Object:
    """Return a VMPlacement; ``other`` differs from it in every field of the spec."""
    number = 2 if other else 1
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMPlacement",
        "metadata": {"name": "placed", "namespace": "default"},
        "spec": {
            "attempt": number,
            "backend": "Firecracker" if other else "QEMU",
            "claim": {"vcpus": number, "memory": "1Gi", "overheadMemory": "256Mi"},
            "evidence": {
                "truthDigest": "sha256:aa",
                "decisionDigest": "sha256:bb",
                "score": number,
                "decisionTime": "2026-11-24T09:00:00Z",
                "operatorEpoch": 1,
            },
            "launch": {
                "runtimeClass": "VirtualMachine",
                "architecture": "amd64",
                "acceleration": "KVM",
                "vcpus": number,
                "memory": "1Gi",
                "kernel": {"artifact": "linux"},
                "restartPolicy": "Always",
                "readiness": {"level": "Guest", "timeoutSeconds": 60},
                "terminationGraceSeconds": 30,
            },
            "mode": "DryRun" if other else "Execute",
            "nodeName": f"node-{number}",
            "nodeUID": f"uid-{number}",
            "workload": {"generation": number, "uid": "workload-uid"},
        },
    }
