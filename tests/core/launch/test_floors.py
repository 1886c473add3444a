"""Versions that no guest is launched with, just below and at each floor (runtimes.md 3, 4)."""

import pytest

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.api.vmworkload import Acceleration, Backend, DiskFormat, RuntimeClass
from schedune.fleet.profile import BackendProfile
from schedune.launch.backends import judge_binary
from schedune.launch.needs import BackendNeeds, LaunchNeeds

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
