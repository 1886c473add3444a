"""Versions that no guest is launched with, just below and at each floor (runtimes.md 3, 4)."""

import pytest

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy, VersionFloor
from schedune.api.vmworkload import (
    Acceleration,
    Architecture,
    Backend,
    DiskFormat,
    RuntimeClass,
)
from schedune.fleet.profile import BackendProfile
from schedune.launch.backends import judge_binary
from schedune.launch.needs import BackendNeeds, LaunchNeeds
from schedune.launch.resolve import resolve_launch, resolve_versions
from schedune.launch.validate import validate_launch
from schedune_testing.nodes import facts, intent

TOO_OLD = {"ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR"}
RAW, QCOW2 = DiskFormat.RAW, DiskFormat.QCOW2
CLOUD_HYPERVISOR, FIRECRACKER = Backend.CLOUD_HYPERVISOR, Backend.FIRECRACKER


@pytest.mark.parametrize(
    ("backend", "version", "disk", "told"),
    [
        (CLOUD_HYPERVISOR, "50.2.0", RAW, TOO_OLD),
        (CLOUD_HYPERVISOR, "51.1.0", RAW, TOO_OLD),
        (CLOUD_HYPERVISOR, "51.2.0", RAW, set()),
        (CLOUD_HYPERVISOR, "51.9.0", QCOW2, {"ERR_LAUNCH_INVALID_STORAGE_FORMAT"}),
        (CLOUD_HYPERVISOR, "52.0.0", QCOW2, set()),
        (FIRECRACKER, "1.13.2", RAW, TOO_OLD),
        (FIRECRACKER, "1.14.3", RAW, TOO_OLD),
        (FIRECRACKER, "1.14.4", RAW, set()),
        (FIRECRACKER, "1.15.0", RAW, TOO_OLD),
        (FIRECRACKER, "1.15.1", RAW, set()),
        (FIRECRACKER, "1.16.1", RAW, set()),
    ],
)
def test_a_version_below_its_floor_is_refused_and_the_floor_itself_is_not(
    backend: Backend, version: str, disk: DiskFormat, told: set[str]
) -> None:
    launch = LaunchNeeds(RuntimeClass.MICRO_VM, Acceleration.KVM, 1, (), (disk,), ())
    need = BackendNeeds(backend, launch, floors=tuple(DEFAULT_POLICY.version_floors))
    binary = BackendProfile(
        backend, version, version, "amd64", frozenset({"KVM"}), frozenset(), frozenset()
    )
    assert {one.row.code for one in judge_binary(need, (binary,), "amd64", None)} == told


def test_a_placement_carries_what_was_demanded_of_the_version_and_the_agent_judges_it_again() -> (
    None
):
    floors = [
        VersionFloor(name=Backend.QEMU, minimum="7.2.10"),
        VersionFloor(name=FIRECRACKER, minimum="1.15.1"),
    ]
    policy = SchedulingPolicy(version_floors=floors)
    wanted = intent(backend={"versions": [{"name": "QEMU", "minimum": "7.2.5"}]})
    versions = resolve_versions(wanted, Backend.QEMU, policy)
    assert versions is not None
    assert (versions.minimum, versions.exact, versions.floors) == ("7.2.5", None, floors[:1])
    launch = resolve_launch(wanted, Architecture.AMD64, Backend.QEMU)

    def codes(version: str) -> list[str]:
        (qemu,) = facts("n")["backends"]
        truth = facts("n", backends=[{**qemu, "version": version}])
        status = NodeTruthStatus.model_validate(truth)
        found = validate_launch(launch, Backend.QEMU, status, versions)
        return [one.row.code for one in found]

    assert codes("7.2.10") == []
    assert codes("7.2.9") == ["ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR"]
    assert codes("7.2.4") == [
        "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD",
        "ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR",
    ]


def test_where_nothing_is_demanded_of_a_version_a_placement_says_nothing_of_it() -> None:
    assert resolve_versions(intent(), Backend.QEMU, DEFAULT_POLICY) is None
