"""What intents, launch specs and plans mean here, and what each difference is called."""

from typing import Any

import pytest

from schedune.api.vmworkload import (
    Acceleration,
    Architecture,
    Backend,
    DiskAccess,
    DiskFormat,
    LaunchMode,
    VMWorkload,
)
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.names import rename
from schedune_cli.importing.notes import Imported
from schedune_cli.importing.workload import ImportPolicy

IDS = {"schema_version": "v1alpha1", "workload_id": "w", "tenant_id": "t"}
INTENT: dict[str, Any] = {
    **IDS,
    "runtime_class": "VirtualMachine",
    "required_architecture": "aarch64",
    "max_telemetry_age_sec": 60,
    "requires_kvm": True,
    "required_compatibility_classes": ["ArmProduction"],
}
SPEC: dict[str, Any] = {
    **IDS,
    "runtime_class": "VirtualMachine",
    "architecture": "aarch64",
    "vcpu": 2,
    "memory_mb": 512,
    "launch_mode": "DryRun",
}
ROOT = {"host_path": "/v/root.ext4", "format": "ext4", "mount_point": "/"}
KERNEL = {"host_path": "/v/vmlinux", "format": "raw", "read_only": True}
MICRO = {**SPEC, "runtime_class": "MicroVM"}


def imported(document: dict[str, Any]) -> Imported:
    found = import_document(document, ImportPolicy())
    assert isinstance(found, Imported), found
    return found


def workload(document: dict[str, Any], **changes: Any) -> VMWorkload:
    manifest = imported({**document, **changes}).manifest
    assert isinstance(manifest, VMWorkload)
    return manifest


def losses(document: dict[str, Any], **changes: Any) -> list[str]:
    return [str(one) for one in imported({**document, **changes}).losses]


def refused(document: dict[str, Any], **changes: Any) -> list[str]:
    found = import_document({**document, **changes}, ImportPolicy())
    assert isinstance(found, tuple), found
    assert all(one.remedy for one in found)
    return [one.field for one in found]


def test_an_id_that_only_kubernetes_refuses_is_renamed_aloud_and_stays_its_own() -> None:
    found = workload(SPEC, workload_id="My_VM", tenant_id="T1")
    assert found.metadata.name == rename("My_VM")
    assert found.metadata.name.startswith("my-vm-")
    told = losses(SPEC, workload_id="My_VM")
    assert any("no name in Kubernetes: written as my-vm-" in one for one in told)
    assert len({rename(one) for one in ("my-vm", "my_vm", "MY_VM", "x" * 300, "x" * 301)}) == 5
    assert all(len(rename("y" * length)) <= 63 for length in (1, 54, 55, 63, 300))


@pytest.mark.parametrize("text", ["../../etc", "a/b", "a.b", "", "a\n", None, 7, "ä"])
def test_an_id_that_the_original_calls_unsafe_is_refused(text: object) -> None:
    assert refused(SPEC, workload_id=text) == ["workload_id"]


def test_an_intent_says_where_and_never_what_so_it_only_validates() -> None:
    found = workload(INTENT, requires_tpm=True, preferred_features=["dpu_offload"])
    assert found.spec.architecture is Architecture.ARM64
    assert found.spec.launch_mode is LaunchMode.VALIDATE
    assert found.spec.placement.compatibility_classes == ["ArmProduction"]
    assert found.spec.placement.required_capabilities == ["hardware_tpm"]
    assert found.spec.placement.preferred_capabilities == ["dpu_offload"]
    assert found.spec.placement.max_truth_age_seconds == 60
    told = losses(INTENT)
    assert any(one.startswith("added spec.resources") for one in told)
    assert any(one.startswith("missing spec.disks") for one in told)


def test_an_intent_without_kvm_is_emulated_and_that_is_said() -> None:
    assert workload(INTENT, requires_kvm=False).spec.acceleration is Acceleration.EMULATED
    assert any("Emulated: slow" in one for one in losses(INTENT, requires_kvm=False))


def test_an_empty_list_of_classes_matches_nothing_there_and_is_refused_here() -> None:
    assert refused(INTENT, required_compatibility_classes=[]) == ["required_compatibility_classes"]


def test_a_double_is_dropped_aloud_and_a_forbidden_constraint_never() -> None:
    twice = ["CONSTRAINT_NO_KVM", "CONSTRAINT_NO_KVM"]
    assert workload(INTENT, forbidden_constraints=twice).spec.placement.forbidden_constraints == [
        "CONSTRAINT_NO_KVM"
    ]
    assert any("[1]" in one for one in losses(INTENT, forbidden_constraints=twice))
    assert refused(INTENT, forbidden_constraints=["no-kvm"]) != []


@pytest.mark.parametrize(("asked", "held"), [(1, 2), (2, 2), (86400, 86400), (10**6, 86400)])
def test_an_age_beyond_the_apis_bounds_is_written_as_the_bound(asked: int, held: int) -> None:
    found = workload(INTENT, max_telemetry_age_sec=asked)
    assert found.spec.placement.max_truth_age_seconds == held
    told = losses(INTENT, max_telemetry_age_sec=asked)
    assert any("max_telemetry_age_sec" in one for one in told) == (asked != held)


def test_a_container_is_no_vm() -> None:
    assert refused(INTENT, runtime_class="Container") == ["runtime_class"]


def test_a_field_that_the_original_does_not_know_is_dropped_aloud() -> None:
    told = losses(INTENT, memory_mb=512)
    assert any(one.startswith("dropped memory_mb = 512") for one in told)


@pytest.mark.parametrize(
    ("document", "preference", "falls_back", "wanted"),
    [
        (SPEC, None, False, None),
        (SPEC, "kvm_qemu", False, [Backend.QEMU]),
        (SPEC, "kvm_qemu", True, [Backend.QEMU, Backend.CLOUD_HYPERVISOR]),
        (SPEC, "cloud_hypervisor", True, [Backend.CLOUD_HYPERVISOR, Backend.QEMU]),
        (SPEC, "firecracker", True, [Backend.FIRECRACKER]),
        (MICRO, None, False, [Backend.FIRECRACKER]),
        (MICRO, "kvm_qemu", True, [Backend.FIRECRACKER]),
    ],
)
def test_preference_and_fallback_are_an_order_of_backends(
    document: dict[str, Any],
    preference: str | None,
    falls_back: bool,
    wanted: list[Backend] | None,
) -> None:
    named = {"runtime_backend_preference": preference, "allow_backend_fallback": falls_back}
    policy = workload(document, **named).spec.backend
    assert (policy.preference if policy else None) == wanted


def test_a_preference_that_the_original_ignores_is_named() -> None:
    told = losses(MICRO, runtime_backend_preference="kvm_qemu")
    assert any(one.startswith('changed runtime_backend_preference = "kvm_qemu"') for one in told)
    assert refused(SPEC, runtime_backend_preference="docker") == ["runtime_backend_preference"]


def test_a_version_is_demanded_of_every_backend_that_is_tried() -> None:
    policy = workload(SPEC, runtime_version={"minimum_version": "v1.5"}).spec.backend
    assert policy is not None
    assert [(one.name, one.minimum) for one in policy.versions] == [
        (Backend.CLOUD_HYPERVISOR, "1.5.0"),
        (Backend.QEMU, "1.5.0"),
    ]
    both = {"minimum_version": "1.4", "exact_version": "1.5"}
    exact = workload(SPEC, runtime_version=both).spec.backend
    assert exact is not None
    assert {(one.minimum, one.exact) for one in exact.versions} == {(None, "1.5.0")}
    never = {"minimum_version": "1.6", "exact_version": "1.5"}
    assert refused(SPEC, runtime_version=never) == ["runtime_version.exact_version"]
    nonsense = {"minimum_version": "new"}
    assert refused(SPEC, runtime_version=nonsense) == ["runtime_version.minimum_version"]


def test_the_boot_disk_comes_first_and_every_other_disk_comes_along() -> None:
    data = {"host_path": "/v/data.raw", "format": "raw", "mount_point": "/data"}
    root = {"host_path": "/v/root", "format": "qcow2", "read_only": True, "volume_id": "system"}
    disks = workload(SPEC, storage=[data, root]).spec.disks
    assert [(one.name, one.format, one.access, one.boot_order) for one in disks] == [
        ("system", DiskFormat.QCOW2, DiskAccess.READ_ONLY, 1),
        ("disk-2", DiskFormat.RAW, DiskAccess.PERSISTENT, None),
    ]
    only = workload(SPEC, storage=[data]).spec.disks
    assert [one.boot_order for one in only] == [1]


MOUNTED = {**KERNEL, "read_only": False, "mount_point": "/boot/vmlinux"}


@pytest.mark.parametrize("kernel", [KERNEL, MOUNTED])
def test_a_micro_vm_boots_a_kernel_that_is_an_artefact(kernel: dict[str, Any]) -> None:
    spec = workload(MICRO, storage=[kernel, ROOT]).spec
    assert spec.boot.kernel is not None
    assert spec.boot.kernel.artifact == "vmlinux"
    assert [one.source.host_path for one in spec.disks] == ["/v/root.ext4"]
    assert any("as vmlinux into an image root" in one for one in losses(MICRO, storage=[kernel]))


def test_typed_storage_wins_over_legacy_paths_and_they_are_named() -> None:
    legacy = {"image_reference": "/old.qcow2", "kernel_image_path": "/k", "rootfs_path": "/r"}
    told = losses(SPEC, storage=[KERNEL], **legacy)
    assert sum("storage wins over it" in one for one in told) == 3


def test_legacy_paths_become_what_they_were() -> None:
    (disk,) = workload(SPEC, image_reference="/img.qcow2").spec.disks
    assert (disk.source.host_path, disk.format) == ("/img.qcow2", DiskFormat.QCOW2)
    (named,) = workload(SPEC, image_reference="oci://registry/img:1").spec.disks
    assert named.source.artifact == "img-1"
    micro = workload(MICRO, kernel_image_path="/v/kernel.bin", rootfs_path="/v/r").spec
    assert micro.boot.kernel is not None
    assert micro.boot.kernel.artifact == "kernel.bin"
    assert [one.source.host_path for one in micro.disks] == ["/v/r"]
    half = losses(MICRO, rootfs_path="/v/r")
    assert any(one.startswith('dropped rootfs_path = "/v/r"') for one in half)


@pytest.mark.parametrize("path", ["relative", "/a\nb", "/ä", ""])
def test_a_path_that_no_node_could_open_safely_is_refused(path: str) -> None:
    assert refused(SPEC, storage=[{"host_path": path}]) == ["storage[0].host_path"]


def test_networks_become_taps_on_bridges_with_their_addresses() -> None:
    cards = [
        {"type": "bridge", "host_device": "br0", "mac_address": "52:54:00:AA:00:01"},
        {"type": "macvtap", "host_device": "eth0", "network_id": "lan"},
    ]
    networks = workload(SPEC, networks=cards).spec.networks
    assert [(one.name, one.tap and one.tap.bridge, one.tap and one.tap.mac_address)
            for one in networks] == [
        ("net-1", "br0", "52:54:00:aa:00:01"),
        ("lan", "eth0", None),
    ]  # fmt: skip
    told = [one for one in losses(SPEC, networks=cards) if "networks" in one]
    assert told == [
        'changed networks[1].host_device = "eth0": there is no macvtap here: a tap device on '
        "a bridge of this name"
    ]
    (old,) = workload(SPEC, network_attachments=["tap0"]).spec.networks
    assert old.tap is not None
    assert old.tap.bridge == "tap0"


@pytest.mark.parametrize(
    ("card", "field"),
    [
        ({"type": "sriov", "host_device": "eth0"}, "type"),
        ({"type": "tap"}, "host_device"),
        ({"type": "tap", "host_device": "a" * 16}, "host_device"),
        ({"type": "tap", "host_device": "t", "mac_address": "nonsense"}, "mac_address"),
    ],
)
def test_a_network_that_cannot_be_is_refused(card: dict[str, Any], field: str) -> None:
    assert refused(SPEC, networks=[card]) == [f"networks[0].{field}"]


def test_security_asks_for_a_capability_and_the_rest_is_named() -> None:
    context = {
        "seccomp_profile": "runtime/default",
        "privileged": True,
        "apparmor_profile": "p",
        "drop_capabilities": ["NET_RAW"],
    }
    spec = workload(SPEC, security=context).spec
    assert spec.placement.required_capabilities == ["kernel_seccomp_supported"]
    told = losses(SPEC, security=context)
    for name in context:
        assert any(f"security.{name}" in one for one in told), name
    assert workload(SPEC, security={"privileged": False}).spec.placement.required_capabilities == []


def test_a_template_without_a_mode_only_validates() -> None:
    assert workload(SPEC, launch_mode=None).spec.launch_mode is LaunchMode.VALIDATE
    assert workload(SPEC, launch_mode="Execute").spec.launch_mode is LaunchMode.EXECUTE


def plan(**changes: Any) -> dict[str, Any]:
    template = {key: value for key, value in SPEC.items() if key != "launch_mode"}
    return {"workload_intent": INTENT, "launch_template": template, "mode": "validate", **changes}


def test_a_plan_is_one_object_of_intent_and_template() -> None:
    template = {**SPEC, "security": {"seccomp_profile": "x"}}
    intent = {**INTENT, "required_architecture": "any", "requires_tpm": True, "requires_kvm": False}
    found = workload(plan(mode="dry_run", workload_intent=intent, launch_template=template)).spec
    assert (found.architecture, found.launch_mode) == (Architecture.ARM64, LaunchMode.DRY_RUN)
    assert found.acceleration is Acceleration.KVM
    assert found.resources.vcpus == 2
    assert found.placement.compatibility_classes == ["ArmProduction"]
    assert found.placement.required_capabilities == ["hardware_tpm", "kernel_seccomp_supported"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workload_id", "other"),
        ("tenant_id", "other"),
        ("runtime_class", "MicroVM"),
        ("architecture", "x86_64"),
    ],
)
def test_a_plan_whose_parts_contradict_each_other_is_refused(name: str, value: str) -> None:
    template = {**SPEC, name: value}
    assert f"launch_template.{name}" in refused(plan(launch_template=template))


def test_a_target_becomes_a_demand_and_two_targets_are_one_too_many() -> None:
    found = workload(plan(target_node_id="node-7"))
    assert found.spec.placement.node_selector == {"kubernetes.io/hostname": "node-7"}
    template = {**SPEC, "node_id": "node-8"}
    both = plan(target_node_id="node-7", launch_template=template)
    assert refused(both) == ["target_node_id", "launch_template.node_id"]


def test_the_intents_preference_counts_where_the_template_has_none() -> None:
    intent = {**INTENT, "runtime_backend_preference": "kvm_qemu"}
    own = workload(plan(workload_intent=intent)).spec.backend
    assert own is not None
    assert own.preference == [Backend.QEMU]
    template = {**SPEC, "runtime_backend_preference": "cloud_hypervisor"}
    other = workload(plan(workload_intent=intent, launch_template=template)).spec.backend
    assert other is not None
    assert other.preference == [Backend.CLOUD_HYPERVISOR]
