"""What Firecracker is run with and asked: exact, closed, a user's text in its own member only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Claim, Launch, LaunchDisk
from schedune.api.vmworkload import Backend
from schedune.launch.guest_identity import mac_address
from schedune_agent.system.processes import digest_argv
from schedune_agent.vmm.firecracker.reach import reach_of
from schedune_agent.vmm.firecracker.requests import (
    api_socket,
    render_argv,
    render_requests,
    taps_in,
)
from schedune_agent.vmm.markers import Mark, claim_in_name, marks_on, names_path
from schedune_agent.vmm.port import (
    DiskFiles,
    LaunchFiles,
    LaunchInputs,
    Owner,
    PlanError,
    Request,
    Tap,
    VmPaths,
)
from schedune_testing.vmm_specs import ApiDescription, description_of

RUN = Path("/run/schedune/uid-1")
VMS = Path("/var/lib/schedune/vms/uid-1")
KERNEL = Path("/images/vmlinux")


@pytest.fixture(scope="module")
def api() -> ApiDescription:
    """What Firecracker says of its own API."""
    return description_of("firecracker-v1.16.1.yaml")


def disk(access: str, source: Path | None = Path("/images/root"), form: str = "Raw") -> DiskFiles:
    said = {"name": "root", "access": access, "format": form, "emptySize": None}
    return DiskFiles(LaunchDisk.model_validate(said), source, VMS / "root.raw")


def inputs(
    disks: tuple[DiskFiles, ...] = (),
    initrd: Path | None = None,
    uid: str = "uid-1",
    run: Path = RUN,
    **launch: object,
) -> LaunchInputs:
    said = {
        "runtimeClass": "MicroVM",
        "architecture": "amd64",
        "acceleration": "KVM",
        "vcpus": 2,
        "memory": "256Mi",
        "kernel": {"artifact": "vmlinux"},
        "restartPolicy": "Always",
        "readiness": {"level": "Guest", "probe": "Vsock", "timeoutSeconds": 60},
        "terminationGraceSeconds": 30,
        **launch,
    }
    return LaunchInputs(
        "/usr/bin/firecracker",
        Launch.model_validate(said),
        Claim(vcpus=2, memory="256Mi", overhead_memory="66Mi"),
        LaunchFiles(KERNEL, initrd, disks),
        VmPaths(run, VMS),
        Owner(uid, "workload-uid", "cluster-uid"),
        "127.0.0.1",
        taps=TAPS,
    )


def asked(given: LaunchInputs) -> dict[str, Any]:
    """Return the bodies by what they are asked of."""
    return {one.path: json.loads(one.body) for one in render_requests(given)}


TAPS = {"lan": Tap("schabcdefghijkl", "br0"), "wan": Tap("schabcdefghijk2", "br1")}
CARDS: list[dict[str, Any]] = [
    {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}},
    {"name": "wan", "type": "Tap", "tap": {"bridge": "br1", "macAddress": "52:54:00:00:00:01"}},
]
FULL = inputs(
    (disk("ReadOnly"), disk("Ephemeral")),
    Path("/images/initrd"),
    commandLine="console=ttyS0 reboot=k panic=1",
    hugepages="2Mi",
    networks=CARDS,
)


@pytest.mark.parametrize("given", [inputs(), FULL], ids=["least", "full"])
def test_every_request_is_as_firecracker_describes_it(
    api: ApiDescription, given: LaunchInputs
) -> None:
    for one in render_requests(given):
        assert api.complaints(one.method, one.path, json.loads(one.body)) == []


def test_a_misspelt_member_would_be_found(api: ApiDescription) -> None:
    body = asked(inputs())["/machine-config"]
    assert api.complaints("PUT", "/machine-config", {**body, "mem_sizee": 1})
    assert api.complaints("PUT", "/machine-config", {**body, "vcpu_count": 33})
    assert api.complaints("PUT", "/machine-config", {**body, "smt": "no"})
    assert api.complaints("PUT", "/actions", {"action_type": "Reset"})
    assert api.complaints("PUT", "/vsock", {"guest_cid": 3})
    assert api.complaints("GET", "/vm", {})


def test_the_guest_starts_with_the_last_request_and_with_no_other() -> None:
    *before, last = render_requests(FULL)
    assert (last.path, json.loads(last.body)) == ("/actions", {"action_type": "InstanceStart"})
    assert "/actions" not in [one.path for one in before]


def test_the_command_line_is_the_users_to_the_letter() -> None:
    text = 'root=/dev/vda init=/x -- "a b" %s \\n'
    boot = asked(inputs(commandLine=text))["/boot-source"]
    assert boot == {"kernel_image_path": str(KERNEL), "boot_args": text}
    assert "boot_args" not in asked(inputs())["/boot-source"]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_no_text_of_a_users_reaches_anything_but_its_own_member(text: str) -> None:
    given = inputs(commandLine=text)
    assert render_argv(given) == render_argv(inputs())
    mine, others = asked(given), asked(inputs())
    assert mine.pop("/boot-source").get("boot_args", "") == text
    others.pop("/boot-source")
    assert mine == others


def test_no_disk_is_the_root_device_so_that_nothing_is_added_to_the_command_line() -> None:
    bodies = asked(FULL)
    assert [bodies[f"/drives/disk{one}"]["is_root_device"] for one in (0, 1)] == [False, False]


def test_a_card_is_on_its_tap_and_has_its_own_address_unless_the_workload_names_one() -> None:
    bodies = asked(FULL)
    assert bodies["/network-interfaces/net0"] == {
        "iface_id": "net0",
        "host_dev_name": "schabcdefghijkl",
        "guest_mac": mac_address("workload-uid", "lan"),
    }
    assert bodies["/network-interfaces/net1"] == {
        "iface_id": "net1",
        "host_dev_name": "schabcdefghijk2",
        "guest_mac": "52:54:00:00:00:01",
    }
    assert taps_in(render_requests(FULL)) == ["schabcdefghijkl", "schabcdefghijk2"]
    assert taps_in(render_requests(inputs())) == []


def test_an_artefact_that_is_only_read_is_opened_for_reading_and_no_other_is() -> None:
    bodies = asked(FULL)
    read, written = bodies["/drives/disk0"], bodies["/drives/disk1"]
    assert (read["path_on_host"], read["is_read_only"]) == ("/images/root", True)
    assert (written["path_on_host"], written["is_read_only"]) == (str(VMS / "root.raw"), False)


def test_any_number_of_vcpus_goes_since_no_threads_of_a_core_are_told() -> None:
    machine = asked(inputs(vcpus=3, memory="130000Ki"))["/machine-config"]
    assert (machine["vcpu_count"], machine["mem_size_mib"], machine["smt"]) == (3, 127, False)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (inputs((disk("ReadOnly", form="Qcow2"),)), "raw disks only"),
        (inputs(networks=[{"name": "n", "type": "User"}]), "network n: type User has no tap"),
        (inputs(hugepages="1Gi"), "2Mi only"),
        (inputs(acceleration="Emulated"), "KVM only"),
    ],
)
def test_what_firecracker_has_not_is_refused_with_its_name(given: LaunchInputs, told: str) -> None:
    with pytest.raises(PlanError, match=told):
        render_requests(given)


@pytest.mark.parametrize("uid", ["", "../x", "a.b", "ä", "a" * 65, "a\0b", "a/b", "١٢"])
def test_an_id_at_which_firecracker_panics_is_refused(uid: str) -> None:
    with pytest.raises(PlanError, match="is no id"):
        render_argv(inputs(uid=uid))


def test_a_socket_whose_path_the_kernel_refuses_is_refused_before() -> None:
    with pytest.raises(PlanError, match="107 bytes"):
        render_argv(inputs(run=Path("/run") / ("x" * 120)))


def test_the_process_carries_its_marker_and_what_it_holds_as_its_name() -> None:
    argv = render_argv(inputs())
    assert marks_on(argv) == [Mark(Backend.FIRECRACKER, "cluster-uid", "uid-1", is_in_place=True)]
    assert names_path(argv, api_socket(inputs().paths))
    assert claim_in_name(argv) == inputs().claim
    assert digest_argv(argv)


def test_a_plan_in_the_record_is_the_plan() -> None:
    planned = render_requests(FULL)
    assert tuple(Request.parse(str(one)) for one in planned) == planned


def test_it_can_open_the_files_of_its_vm_and_what_everybody_may_read() -> None:
    found = reach_of(replace(FULL, landlock_abi=1))
    assert found is not None
    read_only, ephemeral = FULL.files.disks
    taps = [Path("/dev/kvm"), *([Path("/dev/net/tun")] if FULL.taps else [])]
    assert found.writes == (FULL.paths.run, ephemeral.overlay, *taps)
    binary = Path(FULL.binary)
    assert found.reads[:4] == (binary, KERNEL, Path("/images/initrd"), read_only.source)
    others = found.reads[4:]
    assert all(
        str(one).startswith(("/lib", "/usr/lib", "/etc/ld", "/dev", "/sys")) for one in others
    )


def test_on_a_kernel_without_landlock_it_can_open_what_its_user_may() -> None:
    assert reach_of(inputs()) is None
