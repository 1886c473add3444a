"""What Cloud Hypervisor is run with and asked: exact, closed, a user's text in its own member."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schedune.api.vmplacement import Claim, Launch, LaunchDisk
from schedune.api.vmworkload import Backend
from schedune.launch.guest_identity import mac_address
from schedune_agent.vmm.cloud_hypervisor.config import VmConfig
from schedune_agent.vmm.cloud_hypervisor.requests import (
    API,
    api_socket,
    render_argv,
    render_requests,
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
KERNEL = Path("/images/vmlinuz")


@pytest.fixture(
    scope="module", params=["cloud-hypervisor-v53.0.yaml", "cloud-hypervisor-v51.1.yaml"]
)
def api(request: pytest.FixtureRequest) -> ApiDescription:
    """What Cloud Hypervisor says of its own API, now and before."""
    return description_of(request.param)


def disk(access: str, source: Path | None = Path("/images/root"), form: str = "Raw") -> DiskFiles:
    said = {"name": "root", "access": access, "format": form}
    return DiskFiles(LaunchDisk.model_validate(said), source, VMS / "root.raw")


def inputs(
    disks: tuple[DiskFiles, ...] = (),
    initrd: Path | None = None,
    run: Path = RUN,
    landlock_abi: int = 4,
    **launch: object,
) -> LaunchInputs:
    said = {
        "runtimeClass": "VirtualMachine",
        "architecture": "amd64",
        "acceleration": "KVM",
        "vcpus": 2,
        "memory": "256Mi",
        "kernel": {"artifact": "kernel"},
        "restartPolicy": "Always",
        "readiness": {"level": "Guest", "timeoutSeconds": 60},
        "terminationGraceSeconds": 30,
        **launch,
    }
    return LaunchInputs(
        "/usr/bin/cloud-hypervisor",
        Launch.model_validate(said),
        Claim(vcpus=2, memory="256Mi", overhead_memory="66Mi"),
        LaunchFiles(KERNEL, initrd, disks),
        VmPaths(run, VMS),
        Owner("uid-1", "workload-uid", "cluster-uid"),
        "127.0.0.1",
        frozenset({"no-shutdown"}),
        landlock_abi,
        taps=TAPS,
    )


def config(given: LaunchInputs) -> dict[str, Any]:
    create, _ = render_requests(given)
    body: dict[str, Any] = json.loads(create.body)
    return body


TAPS = {"lan": Tap("schabcdefghijkl", "br0"), "wan": Tap("schabcdefghijk2", "br1")}
CARDS: list[dict[str, Any]] = [
    {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}},
    {"name": "wan", "type": "Tap", "tap": {"bridge": "br1", "macAddress": "52:54:00:00:00:01"}},
]
FULL = inputs(
    (disk("ReadOnly"), disk("Ephemeral"), disk("Ephemeral", None), disk("ReadOnly", form="Qcow2")),
    Path("/images/initrd"),
    commandLine="console=ttyS0",
    hugepages="2Mi",
    networks=CARDS,
)
NET = {"id": "a", "tap": "schabcdefghijkl", "mac": "52:54:00:00:00:01"}
DISK = {"id": "a", "serial": "a", "path": "/x", "readonly": True, "image_type": "Raw"}


@pytest.mark.parametrize("given", [inputs(), FULL], ids=["least", "full"])
def test_every_request_is_as_cloud_hypervisor_describes_it(
    api: ApiDescription, given: LaunchInputs
) -> None:
    create, boot = render_requests(given)
    assert api.complaints("PUT", create.path.removeprefix(API), json.loads(create.body)) == []
    assert api.complaints("PUT", boot.path.removeprefix(API), {}) == []


def test_a_misspelt_member_would_be_found(api: ApiDescription) -> None:
    body = config(inputs())
    assert api.complaints("PUT", "/vm.create", {**body, "landlock_enabled": True})
    assert api.complaints("PUT", "/vm.create", {**body, "serial": {"mode": "socket"}})
    assert api.complaints("PUT", "/vm.create", {**body, "cpus": {"boot_vcpus": 0, "max_vcpus": 1}})


@pytest.mark.parametrize(
    "change",
    [
        {"landlock_enabled": True},
        {"serial": {"mode": "Socket", "socket": "/x", "sock": 1}},
        {"pvpanic": False},
        {"disks": [{name: one for name, one in DISK.items() if name != "image_type"}]},
        {"payload": {}},
        {"disks": [{**DISK, "backing_files": True}]},
        {"net": [{**NET, "ip": "10.0.0.1"}]},
        {"net": [{**NET, "tap": "eth0"}]},
        {"net": [{**NET, "tap": "schabcdefghijkl\n"}]},
    ],
    ids=[
        "misspelt",
        "misspelt inside",
        "blind",
        "format unsaid",
        "nothing to boot",
        "backing",
        "an address for the node",
        "another device",
        "a line more",
    ],
)
def test_what_cloud_hypervisor_would_take_and_pass_over_is_refused_by_our_own_form(
    change: dict[str, object],
) -> None:
    body = config(inputs())
    VmConfig.model_validate_json(json.dumps(body))
    with pytest.raises(ValidationError):
        VmConfig.model_validate_json(json.dumps({**body, **change}))


def test_the_guest_starts_with_the_last_request_only_and_after_it_was_created() -> None:
    assert [one.path for one in render_requests(FULL)] == [f"{API}/vm.create", f"{API}/vm.boot"]
    assert "--kernel" not in render_argv(FULL)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200))
def test_no_text_of_a_users_reaches_anything_but_its_own_member(text: str) -> None:
    given = inputs(commandLine=text)
    assert render_argv(given) == render_argv(inputs())
    mine, others = config(given), config(inputs())
    assert mine["payload"].pop("cmdline") == text
    assert mine == others


def test_a_disks_format_is_told_and_nothing_that_it_names_is_followed() -> None:
    disks = config(FULL)["disks"]
    assert [one["image_type"] for one in disks] == ["Raw", "Raw", "Raw", "Qcow2"]
    assert {one["backing_files"] for one in disks} == {False}


def test_a_card_is_on_its_tap_and_has_its_own_address_unless_the_workload_names_one() -> None:
    assert config(FULL)["net"] == [
        {
            "id": "net-lan",
            "tap": "schabcdefghijkl",
            "mac": mac_address("workload-uid", "lan"),
        },
        {"id": "net-wan", "tap": "schabcdefghijk2", "mac": "52:54:00:00:00:01"},
    ]
    assert "net" not in config(inputs())


def test_an_artefact_is_only_read_and_a_copy_is_written() -> None:
    disks = config(FULL)["disks"]
    told = [(one["path"], one["readonly"]) for one in disks[:3]]
    mine = (str(VMS / "root.raw"), False)
    assert told == [("/images/root", True), mine, mine]


def test_memory_is_in_whole_pages_and_huge_ones_have_their_size() -> None:
    assert config(inputs(memory="130000Ki"))["memory"]["size"] == 127 * 2**20
    assert config(FULL)["memory"]["hugepage_size"] == 2 * 2**20


def test_landlock_is_on_where_the_kernel_has_what_it_needs_and_off_where_it_would_fail() -> None:
    said = [config(inputs(landlock_abi=abi))["landlock_enable"] for abi in (0, 2, 3, 7)]
    assert said == [False, False, True, True]


def test_seccomp_is_on_and_a_guests_end_leaves_the_process() -> None:
    argv = render_argv(inputs())
    assert argv[argv.index("--seccomp") + 1] == "true"
    assert "--no-shutdown" in argv
    assert "--no-shutdown" not in render_argv(replace(inputs(), features=frozenset()))


def test_the_machine_keeps_its_identity_over_the_attempts_of_a_workload() -> None:
    other = replace(inputs(), owner=Owner("uid-2", "workload-uid", "cluster-uid"))
    assert config(other)["platform"] == config(inputs())["platform"]
    stranger = replace(inputs(), owner=Owner("uid-1", "another-uid", "cluster-uid"))
    assert config(stranger)["platform"] != config(inputs())["platform"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (inputs(networks=[{"name": "n", "type": "User"}]), "network n: type User has no tap"),
        (inputs(acceleration="Emulated"), "KVM only"),
    ],
)
def test_what_cloud_hypervisor_has_not_is_refused_with_its_name(
    given: LaunchInputs, told: str
) -> None:
    with pytest.raises(PlanError, match=told):
        render_requests(given)


@pytest.mark.parametrize("folder", ["/run/a,fd=0", "/run/a b", '/run/"x"', "/run/[x]", "/run/ä"])
def test_a_folder_out_of_which_options_would_be_read_is_refused(folder: str) -> None:
    with pytest.raises(PlanError, match="misread"):
        render_argv(inputs(run=Path(folder)))


def test_a_socket_whose_path_the_kernel_refuses_is_refused_before() -> None:
    with pytest.raises(PlanError, match="107 bytes"):
        render_argv(inputs(run=Path("/run") / ("x" * 120)))


def test_the_process_carries_its_marker_and_what_it_holds_as_its_name() -> None:
    argv = render_argv(inputs())
    assert marks_on(argv) == [
        Mark(Backend.CLOUD_HYPERVISOR, "cluster-uid", "uid-1", is_in_place=True)
    ]
    assert names_path(argv, api_socket(inputs().paths))
    assert claim_in_name(argv) == inputs().claim


def test_a_plan_in_the_record_is_the_plan() -> None:
    planned = render_requests(FULL)
    assert tuple(Request.parse(str(one)) for one in planned) == planned
