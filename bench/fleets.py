"""The two fleets that are measured: one as fleets are, one on which nothing repeats."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from schedune.fleet.node import NodeRecord, Taint
from schedune_testing.nodes import facts, node

CAPABILITIES: Final = (
    "kvm_vm_launch", "hardware_tpm", "firecracker_tun_ready", "firecracker_cgroups_ready",
    "kernel_seccomp_supported",
)  # fmt: skip
_WRONG: Final = 0.4
"""How often each thing is wrong on the noisy fleet."""
_FORMATS: Final = {"amd64": "ELF", "arm64": "Image"}


@dataclass(frozen=True)
class Pool:
    """Machines that were bought and installed together."""

    architecture: str
    vcpus: int
    memory: str
    backends: tuple[tuple[str, str], ...]
    node_class: str
    zone: str
    tpm: bool


_QEMU, _OLD_QEMU, _OLDEST = ("QEMU", "10.0.3"), ("QEMU", "8.2.0"), ("QEMU", "7.2.0")
_CLOUD, _OLD_CLOUD = ("CloudHypervisor", "52.0"), ("CloudHypervisor", "50.0")
_FIRE, _OLD_FIRE = ("Firecracker", "1.15.2"), ("Firecracker", "1.13.0")
_ARM, _X86 = "ArmProduction", "X86HoldingPool"
_POOLS: Final = (
    Pool("arm64", 64, "256Gi", (_QEMU, _CLOUD), _ARM, "a", tpm=True),
    Pool("arm64", 16, "64Gi", (_OLD_QEMU, _FIRE), _ARM, "b", tpm=True),
    Pool("arm64", 8, "16Gi", (_OLDEST,), _ARM, "a", tpm=False),
    Pool("amd64", 64, "512Gi", (_QEMU, _CLOUD, _FIRE), _X86, "a", tpm=True),
    Pool("amd64", 32, "128Gi", (_OLD_QEMU, _OLD_CLOUD), _X86, "b", tpm=True),
    Pool("amd64", 4, "8Gi", (_OLDEST, _OLD_FIRE), _X86, "c", tpm=False),
)

_Change = Callable[[dict[str, Any], dict[str, Any]], None]


def _kvm(state: str) -> _Change:
    def change(status: dict[str, Any], _record: dict[str, Any]) -> None:
        status["capabilities"][0] = {**status["capabilities"][0], "state": state}

    return change


def _record(**values: Any) -> _Change:
    return lambda _status, record: record.update(values)


def _status(**values: Any) -> _Change:
    return lambda status, _record: status.update(values)


_FAULTS: Final[tuple[_Change, ...]] = (
    _record(age_s=900),
    _record(unschedulable=True),
    _record(node_ready=False),
    _record(taints=(Taint("gpu", "", "NoSchedule"),)),
    _kvm("Unsupported"),
    _kvm("Unknown"),
    _status(health={"state": "Degraded"}),
    _status(artifacts=[]),
)


def _status_of(pool: Pool, name: str) -> dict[str, Any]:
    architecture = pool.architecture
    (qemu,) = facts(name, architecture)["backends"]
    (kernel,) = facts(name, architecture)["artifacts"]
    (kvm,) = facts(name, architecture)["capabilities"]
    backends = [
        {**qemu, "name": vmm, "version": version, "path": f"/usr/bin/{vmm}"}
        for vmm, version in pool.backends
    ]
    held = [{**kvm, "name": one} for one in CAPABILITIES]
    if not pool.tpm:
        held[1]["state"] = "Unsupported"
    capacity = {"vcpus": pool.vcpus, "memory": pool.memory, "disk": "1Ti", "basis": "Declared"}
    return facts(
        name,
        architecture,
        artifacts=[{**kernel, "format": _FORMATS[architecture]}],
        backends=backends,
        capabilities=held,
        capacity=capacity,
        compatibilityClass=pool.node_class,
    )


def real(size: int, seed: int = 1) -> list[NodeRecord]:
    """Return a fleet of a few pools, with some faults: about 150 distinct sets of objections."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable fleet
    return [_real_node(f"node-{number:06}", chance) for number in range(size)]


def _real_node(name: str, chance: random.Random) -> NodeRecord:
    pool = chance.choice(_POOLS)
    status = _status_of(pool, name)
    record: dict[str, Any] = {"age_s": float(chance.randrange(1, 60))}
    for change in chance.sample(_FAULTS, chance.choices([0, 1, 2], [80, 18, 2])[0]):
        change(status, record)
    return node(name, status, labels=_labels(name, pool.architecture, pool.zone, chance), **record)


def _labels(name: str, architecture: str, zone: str, chance: random.Random) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": zone,
        "node.kubernetes.io/instance-type": chance.choice(["small", "large"]),
        "disk": chance.choice(["ssd", "ssd", "hdd"]),
    }


def noisy(size: int, seed: int = 2) -> list[NodeRecord]:
    """Return a fleet on which everything is wrong at random: nearly all sets are distinct."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable fleet
    return [_noisy_node(f"node-{number:06}", chance) for number in range(size)]


def _noisy_node(name: str, chance: random.Random) -> NodeRecord:
    pool = Pool(
        architecture=chance.choice(["arm64", "amd64"]),
        vcpus=chance.choice([2, 4, 8, 64]),
        memory=chance.choice(["4Gi", "8Gi", "64Gi", "512Gi"]),
        backends=tuple(
            (vmm, chance.choice(versions))
            for vmm, versions in (
                ("QEMU", ["7.2.0", "10.0.3"]),
                ("CloudHypervisor", ["50.0", "52.0"]),
                ("Firecracker", ["1.13.0", "1.15.2"]),
            )
            if chance.random() > _WRONG
        ),
        node_class=chance.choice(["ArmProduction", "X86HoldingPool"]),
        zone=chance.choice("abc"),
        tpm=chance.random() > _WRONG,
    )
    status = _status_of(pool, name)
    record: dict[str, Any] = {"age_s": float(chance.choice([1, 30, 400]))}
    for change in _FAULTS:
        if chance.random() < _WRONG:
            change(status, record)
    return node(name, status, labels=_labels(name, pool.architecture, pool.zone, chance), **record)
