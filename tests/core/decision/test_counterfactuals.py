"""What would have to change, applied for real: the node becomes eligible, and nothing less does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import Health, HealthState
from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes.row import Actor
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune.launch.overhead import vmm_overhead
from schedune_testing.fleets import (
    BACKENDS,
    BOOTS,
    KVM,
    VARIED_SPECS,
    capability,
    fleets_with_heavy_files,
    varied_fleets,
)
from schedune_testing.nodes import NOW, facts, intent, node

World = tuple[NodeRecord, dict[str, Any]]
POLICY = SchedulingPolicy(backends=list(Backend))


def changed(record: NodeRecord, **facts_: Any) -> NodeRecord:
    """Return the node with other facts."""
    assert record.truth is not None
    status = record.truth.status.model_dump(by_alias=True, exclude_none=True)
    return node(
        record.name,
        {**status, **facts_},
        last_proof=record.last_proof,
        unschedulable=record.unschedulable,
        labels=record.labels,
        taints=record.taints,
    )


def with_capability(record: NodeRecord, name: str) -> NodeRecord:
    assert record.truth is not None
    kept = [
        one.model_dump(by_alias=True, exclude_none=True)
        for one in record.truth.status.capabilities
        if one.name != name
    ]
    return changed(record, capabilities=[*kept, capability(name, "Supported")])


def with_backend(record: NodeRecord, name: str) -> NodeRecord:
    assert record.truth is not None
    assert record.truth.status.cpu is not None
    architecture = record.truth.status.cpu.architecture
    (qemu,) = facts("n", architecture)["backends"]
    kept = [
        one.model_dump(by_alias=True, exclude_none=True)
        for one in record.truth.status.backends
        if one.name != name
    ]
    return changed(record, backends=[*kept, {**qemu, "name": name, "version": "99.0"}])


def launching(record: NodeRecord) -> NodeRecord:
    assert record.truth is not None
    assert record.truth.status.identity is not None
    identity = record.truth.status.identity
    return changed(record, identity=identity.model_copy(update={"execution": "Launches"}))


def with_kernel(record: NodeRecord) -> NodeRecord:
    assert record.truth is not None
    assert record.truth.status.cpu is not None
    architecture = record.truth.status.cpu.architecture
    form = "ELF" if architecture == "amd64" else "Image"
    (kernel,) = facts("n", architecture)["artifacts"]
    return changed(record, artifacts=[{**kernel, "format": form}])


def asking(spec: dict[str, Any], group: str, **values: Any) -> dict[str, Any]:
    return {**spec, group: {**spec.get(group, {}), **values}}


def apply(world: World, atom: str, change: str) -> World:
    """Do what one counterfactual says."""
    record, spec = world
    kind, _, rest = atom.partition("/")
    simple: Mapping[str, Callable[[], World]] = {
        "heartbeat": lambda: (replace(record, last_proof=NOW - timedelta(seconds=1)), spec),
        "maxTruthAgeSeconds": lambda: (
            record,
            asking(spec, "placement", maxTruthAgeSeconds=int(change.split()[2])),
        ),
        "nodeOpen": lambda: (replace(record, unschedulable=False), spec),
        "nodeLaunches": lambda: (launching(record), spec),
        "taint": lambda: (replace(record, taints=()), spec),
        "health": lambda: (changed(record, health=Health(state=HealthState.HEALTHY)), spec),
        "architecture": lambda: (record, {**spec, "architecture": "Any"}),
        "vcpus": lambda: _numbers(world, "vcpus", change),
        "memory": lambda: _numbers(world, "memory", change),
        "hugepages": lambda: _numbers(world, "memory", change),
        "nodeSelector": lambda: (record, asking(spec, "placement", nodeSelector={})),
        "compatibilityClass": lambda: (
            (record, asking(spec, "placement", compatibilityClasses=[]))
            if "accept" in change
            else (changed(record, compatibilityClass="ArmProduction"), spec)
        ),
        "capability": lambda: (with_capability(record, rest), spec),
        "artifact": lambda: (with_kernel(record), spec),
    }
    if kind in simple:
        return simple[kind]()
    assert kind == "backend", atom
    return _backend(world, *rest.split("/")[:2], change)


def _numbers(world: World, name: str, change: str) -> World:
    """Bring a demand to its bound; where nothing is left, the node gets just what is told."""
    record, spec = world
    if change.startswith(name):
        value = change.split()[2]
        spec = asking(spec, "resources", **{name: int(value) if name == "vcpus" else value})
        _, more, freed = change.partition(", and ")
        return _numbers((record, spec), name, freed) if more else (record, spec)
    assert record.truth is not None
    capacity = record.truth.status.capacity
    assert capacity is not None
    told = change.split()[0]
    if "huge pages" in change:
        pages = {"hugepages": [f"2Mi={parse_bytes(told) // 2**21}"]}
        return changed(record, capacity={**capacity.model_dump(by_alias=True), **pages}), spec
    more = {"vcpus": int(told)} if name == "vcpus" else {"memory": told}
    return changed(record, capacity={**capacity.model_dump(by_alias=True), **more}), spec


def _backend(world: World, name: str, what: str, change: str) -> World:
    record, spec = world
    if change.startswith("memory"):
        return _numbers(world, "memory", change)
    if what == "version":
        return record, asking(spec, "backend", versions=[])
    if what.startswith("firecracker"):
        return with_capability(record, what), spec
    if what == "kernelFormat":
        return with_kernel(record), spec
    if what == "request":
        boot = {"kernel": {"artifact": "kernel"}, "initrd": {"artifact": "kernel"}}
        return record, {**spec, "boot": boot}
    return with_backend(record, name), spec


def is_eligible(world: World) -> bool:
    record, spec = world
    decision = decide(Fleet.of([record]), intent(**spec), now=NOW, policy=POLICY)
    return bool(decision.eligible[0])


@given(varied_fleets(most=2), VARIED_SPECS)
@settings(max_examples=150, deadline=None)
def test_all_of_it_makes_the_node_eligible_and_any_part_left_out_does_not(
    fleet: list[NodeRecord], spec: Any
) -> None:
    assert_all_of_it_and_nothing_less(fleet, spec)


@given(fleets_with_heavy_files(most=2), VARIED_SPECS, BOOTS, st.integers(1, 60 * 1024))
@settings(max_examples=150, deadline=None)
def test_so_it_is_where_a_kernel_takes_much_memory(
    fleet: list[NodeRecord], spec: Any, boot: Any, mebi: int
) -> None:
    resources = {**spec["resources"], "memory": f"{mebi + 15}Mi"}
    assert_all_of_it_and_nothing_less(fleet, {**spec, "boot": boot, "resources": resources})


def test_a_kernel_of_no_whole_mebibyte_stops_nobody_who_asks_for_just_enough() -> None:
    """71.9Mi for a kernel of 71.86Mi, where no 72Mi are free."""
    kernel = {**facts("n")["artifacts"][0], "memoryBytes": int(71.86 * 2**20)}
    asked = int(71.9 * 2**20)
    room = {"vcpus": 8, "memory": str(asked + vmm_overhead(1, Acceleration.KVM))}
    record = node("n", facts("n", artifacts=[kernel], capacity={**room, "basis": "Declared"}))
    assert is_eligible((record, {"resources": {"vcpus": 1, "memory": str(asked)}}))


def of_two_backends(kernel_bytes: int, **room: Any) -> NodeRecord:
    """Return a node whose QEMU is older than asked and takes any memory; the other one does not."""
    (qemu,) = facts("n")["backends"]
    other = {**qemu, "name": "CloudHypervisor", "version": "99.0"}
    kernel = {**facts("n")["artifacts"][0], "format": "ELF", "memoryBytes": kernel_bytes}
    room = {"vcpus": 8, "basis": "Declared", **room}
    return node("n", facts("n", artifacts=[kernel], backends=[qemu, other], capacity=room))


OLD_QEMU = {
    "preference": ["CloudHypervisor", "QEMU"],
    "versions": [{"name": "QEMU", "minimum": "8.0"}],
}


@given(*[st.integers(64, 9 * 1024)] * 3, st.booleans())
@settings(max_examples=150, deadline=None)
def test_all_that_is_told_of_memory_suffices_where_another_backend_would_need_less(
    kernel: int, free: int, asked: int, paged: bool
) -> None:
    """Counted in MiB, and huge pages in those of 2Mi: the ordinary memory is then the VMM's."""
    room = (
        {"memory": "1Gi", "hugepages": [f"2Mi={free // 2}"]} if paged else {"memory": f"{free}Mi"}
    )
    resources = {"vcpus": 1, "memory": f"{asked // 2 * 2 + 2}Mi"} | (
        {"hugepages": "2Mi"} if paged else {}
    )
    world: World = (
        of_two_backends(kernel * 2**20, **room),
        {"resources": resources, "backend": OLD_QEMU},
    )
    assert all_told_suffices(world)


@pytest.mark.parametrize(
    ("asked", "free", "more"),
    [
        ("4Gi", "6Gi", ", and 8257Mi of memory is freed (6Gi is left)"),
        ("6Gi", "6Gi", ", and 8257Mi of memory is freed (6Gi is left)"),
        ("4Gi", "9Gi", ""),
    ],
    ids=["free for QEMU", "free for nobody", "free"],
)
def test_what_a_backend_needs_is_not_told_to_be_enough_where_it_is_free_for_another_only(
    asked: str, free: str, more: str
) -> None:
    record = of_two_backends(8 * 2**30, memory=free)
    spec = {"resources": {"vcpus": 1, "memory": asked}, "backend": OLD_QEMU}
    decision = decide(Fleet.of([record]), intent(**spec), now=NOW, policy=POLICY)
    cause = Explanation(decision).causes(0)[-1]
    assert cause.atom == "backend/CloudHypervisor/bootMemory"
    assert cause.change == f"memory >= 8Gi (asked {asked}){more}"
    assert cause.who is (Actor.ADMINISTRATOR if more else Actor.USER)


def all_told_suffices(world: World) -> bool:
    """Do everything that is told of a node, and say whether it is eligible then."""
    record, spec = world
    decision = decide(Fleet.of([record]), intent(**spec), now=NOW, policy=POLICY)
    if not decision.eligible[0]:
        for cause in Explanation(decision).causes(0):
            world = apply(world, cause.atom, cause.change)
    return is_eligible(world)


def assert_all_of_it_and_nothing_less(fleet: list[NodeRecord], spec: Any) -> None:
    spec = {**spec, "backend": {**spec["backend"], "preference": spec["backend"]["preference"][:1]}}
    if spec["backend"]["preference"] == [BACKENDS[2]]:
        return
    for record in fleet:
        decision = decide(Fleet.of([record]), intent(**spec), now=NOW, policy=POLICY)
        explanation = Explanation(decision)
        if decision.eligible[0]:
            continue
        changes = [(cause.atom, cause.change) for cause in explanation.causes(0)]
        files = [atom for atom, _ in changes if "artifact" in atom or "kernelFormat" in atom]
        if files and "boot" in spec:
            continue  # Another file takes another room: nobody can say how much.
        for size in range(len(changes) + 1):
            for chosen in combinations(changes, size) if size >= len(changes) - 1 else ():
                world: World = (record, spec)
                for atom, change in chosen:
                    world = apply(world, atom, change)
                assert is_eligible(world) == (size == len(changes)), (chosen, changes)


def test_a_node_without_kvm_needs_just_that() -> None:
    record = node("n", facts("n", capabilities=[capability(KVM, "Unsupported")]))
    explanation = Explanation(decide(Fleet.of([record]), intent(), now=NOW))
    (cause,) = explanation.causes(0)
    assert cause.change == "it has a KVM that runs guests (now: CAP_KVM_MISSING)"
    assert is_eligible((with_capability(record, KVM), {}))
