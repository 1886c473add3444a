"""Devices: each is opened and asked in a child, and one that hangs costs its own answer."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes as rows
from schedune_agent.probes import devices
from schedune_agent.probes.asking import Reply
from schedune_agent.probes.devices import DeviceFamily
from schedune_agent.probes.family import Answer, Part, observe
from schedune_agent.probes.networks import MOST_BRIDGES, NetworkFamily
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_agent.system.place import Place

AnswerIn = Callable[[Part, str], Answer]
Put = Callable[[str, str], None]
_TAPS = Reply(value=(0x2).to_bytes(4, "little").hex())
_MISSING = Reply(errno=2, error="No such file or directory")
_FORBIDDEN = Reply(errno=1, error="Operation not permitted")


def _status(capabilities: int) -> str:
    return f"Name:\tagent\nPid:\t1\nCapEff:\t{capabilities:016x}\n"


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the devices answer so: what the child reports is data, the judgement is ours."""

    def say(**by_name: Reply) -> None:
        async def ask(questions: list[object], *, deadline_s: float, place: Place) -> list[Reply]:
            names = ["tun", "vhost_net", "vhost_vsock", "vfio", "iommufd"]
            return [by_name.get(name, _MISSING) for name in names][: len(questions)]

        monkeypatch.setattr(devices, "ask", ask)

    return say


async def test_on_an_empty_machine_every_device_is_missing(
    tmp_path: Path, answer_in: AnswerIn
) -> None:
    part = await DeviceFamily(HostFiles(tmp_path))()
    assert {one.name: one.row for one in part.answers} == {
        "firecracker_tun_ready": rows.CAP_FIRECRACKER_TUN_MISSING,
        "vhost_net": rows.CAP_DEVICE_MISSING,
        "vhost_vsock": rows.CAP_DEVICE_MISSING,
        "device_passthrough": rows.CAP_IOMMU_MISSING,
        "hardware_tpm": rows.CAP_TPM_MISSING,
    }
    assert {one.state for one in part.answers} == {CapabilityState.UNSUPPORTED}


async def test_on_this_machine_tun_is_what_opening_it_says(answer_in: AnswerIn) -> None:
    found = answer_in(await DeviceFamily(HOST)(), "firecracker_tun_ready")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
        opens = True
    except OSError:
        opens = False
    if opens and os.geteuid() == 0:
        assert found.row in (rows.CAP_FIRECRACKER_TUN_READY, rows.CAP_NET_ADMIN_MISSING)
    assert (found.state is CapabilityState.SUPPORTED) <= opens


async def test_a_tap_needs_the_device_and_the_right_to_make_one(
    tmp_path: Path, put: Put, answer_in: AnswerIn, replies: Callable[..., None]
) -> None:
    family = DeviceFamily(HostFiles(tmp_path))

    async def tun(reply: Reply, capabilities: int) -> tuple[CapabilityState, object]:
        replies(tun=reply)
        put("/proc/self/status", _status(capabilities))
        found = answer_in(await family(), "firecracker_tun_ready")
        return found.state, found.row

    held, other = 1 << 12, 1 << 5
    assert await tun(_TAPS, held) == (CapabilityState.SUPPORTED, rows.CAP_FIRECRACKER_TUN_READY)
    assert await tun(_TAPS, other) == (CapabilityState.UNAVAILABLE, rows.CAP_NET_ADMIN_MISSING)
    assert await tun(_FORBIDDEN, held) == (CapabilityState.UNAVAILABLE, rows.CAP_DEVICE_DENIED)
    no_taps = Reply(value="01000000")
    assert await tun(no_taps, held) == (CapabilityState.UNKNOWN, rows.CAP_DEVICE_SILENT)
    nonsense = Reply(value="zz")
    assert await tun(nonsense, held) == (CapabilityState.UNKNOWN, rows.CAP_FACT_UNREADABLE)


async def test_rights_that_cannot_be_read_leave_tun_unknown(
    tmp_path: Path, put: Put, answer_in: AnswerIn, replies: Callable[..., None]
) -> None:
    replies(tun=_TAPS)
    put("/proc/self/status", "CapEff:\tnobody knows\n")
    found = answer_in(await DeviceFamily(HostFiles(tmp_path))(), "firecracker_tun_ready")
    assert (found.state, found.row) == (CapabilityState.UNKNOWN, rows.CAP_FACT_UNREADABLE)


async def test_vhost_is_ready_when_it_told_its_features(
    tmp_path: Path, answer_in: AnswerIn, replies: Callable[..., None]
) -> None:
    replies(vhost_net=Reply(value="00" * 8), vhost_vsock=_FORBIDDEN)
    part = await DeviceFamily(HostFiles(tmp_path))()
    assert answer_in(part, "vhost_net").row is rows.CAP_DEVICE_READY
    assert answer_in(part, "vhost_vsock").row is rows.CAP_DEVICE_DENIED


async def test_passing_devices_through_needs_groups_and_a_way(
    tmp_path: Path, put: Put, answer_in: AnswerIn, replies: Callable[..., None]
) -> None:
    for group in range(3):
        put(f"/sys/kernel/iommu_groups/{group}/type", "DMA")
    family = DeviceFamily(HostFiles(tmp_path))
    replies(vfio=_MISSING)
    assert answer_in(await family(), "device_passthrough").row is rows.CAP_DEVICE_MISSING
    replies(vfio=Reply(), iommufd=Reply())
    found = answer_in(await family(), "device_passthrough")
    assert (found.row, found.value) == (rows.CAP_IOMMU_READY, "3 groups, iommufd and vfio")


@pytest.mark.parametrize(
    ("version", "row", "value"),
    [
        ("2\n", rows.CAP_TPM_PRESENT, "2"),
        ("1\n", rows.CAP_TPM_PRESENT, "1"),
        (None, rows.CAP_TPM_PRESENT, None),
        ("seven", rows.CAP_FACT_UNREADABLE, None),
    ],
)
async def test_a_tpm_is_told_with_its_version(
    tmp_path: Path, put: Put, answer_in: AnswerIn, version: str | None, row: object, value: object
) -> None:
    put("/sys/class/tpm/tpm0/uevent", "")
    if version is not None:
        put("/sys/class/tpm/tpm0/tpm_version_major", version)
    found = answer_in(await DeviceFamily(HostFiles(tmp_path))(), "hardware_tpm")
    assert (found.row, found.value) == (row, value)


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _fifo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def _text(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("hello")


@pytest.mark.parametrize("make", [_folder, _fifo, _text])
async def test_what_is_no_device_is_unknown(
    tmp_path: Path, answer_in: AnswerIn, make: Callable[[Path], None]
) -> None:
    for name in ("dev/net/tun", "dev/vhost-net"):
        make(tmp_path / name)
    part = await DeviceFamily(HostFiles(tmp_path))()
    for name in ("firecracker_tun_ready", "vhost_net"):
        found = answer_in(part, name)
        assert (found.state, found.row) == (CapabilityState.UNKNOWN, rows.CAP_DEVICE_SILENT)
    assert answer_in(part, "vhost_vsock").row is rows.CAP_DEVICE_MISSING


async def test_a_device_that_blocks_on_open_costs_its_own_answer_and_is_left_alone_then(
    tmp_path: Path, silent_folder: Path, answer_in: AnswerIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_LIMIT_S", 0.4)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "vhost-net").symlink_to(silent_folder / "device")
    family = DeviceFamily(HostFiles(tmp_path))
    outcome = await observe(family)
    assert outcome.run.outcome == "Succeeded"
    hung = answer_in(outcome.part, "vhost_net")
    assert (hung.state, hung.row) == (CapabilityState.UNKNOWN, rows.CAP_DEVICE_SILENT)
    assert "no answer within 0.4 s" in hung.observed
    assert answer_in(outcome.part, "vhost_vsock").row is rows.CAP_DEVICE_MISSING
    started = time.monotonic()
    again = await family()
    assert answer_in(again, "vhost_net") == hung
    assert time.monotonic() - started < 0.4


async def test_bridges_are_told_by_name_and_bounded(tmp_path: Path, put: Put) -> None:
    put("/sys/class/net/eth0/operstate", "up")
    put("/sys/class/net/a-name-that-is-too-long/bridge/bridge_id", "8000")
    for number in range(MOST_BRIDGES + 3):
        put(f"/sys/class/net/br{number:03}/bridge/bridge_id", "8000")
    part = await NetworkFamily(HostFiles(tmp_path))()
    names = [one.name for one in part.facts["networks"]]
    assert names == [f"br{number:03}" for number in range(MOST_BRIDGES)]


async def test_network_devices_that_cannot_be_listed_are_a_failed_probe(
    tmp_path: Path, put: Put
) -> None:
    put("/sys/class/net", "no folder")
    outcome = await observe(NetworkFamily(HostFiles(tmp_path)))
    assert (outcome.run.outcome, outcome.run.reason_code) == ("Failed", "PROBE_FAILED")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(status=st.binary(max_size=200), version=st.binary(max_size=20), value=st.text(max_size=12))
async def test_garbage_costs_its_own_answer_and_no_other(
    tmp_path: Path, status: bytes, version: bytes, value: str
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True, exist_ok=True)
    (tmp_path / "proc/self/status").write_bytes(status)
    (tmp_path / "sys/class/tpm/tpm0").mkdir(parents=True, exist_ok=True)
    (tmp_path / "sys/class/tpm/tpm0/tpm_version_major").write_bytes(version)

    async def ask(questions: list[object], *, deadline_s: float, place: Place) -> list[Reply]:
        return [Reply(value=value)] * len(questions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "ask", ask)
        outcome = await observe(DeviceFamily(HostFiles(tmp_path)))
    assert outcome.run.outcome == "Succeeded"
    assert [one.name for one in outcome.part.answers] == [
        "vhost_net",
        "vhost_vsock",
        "firecracker_tun_ready",
        "device_passthrough",
        "hardware_tpm",
    ]
