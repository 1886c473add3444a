"""KVM: a device that opens is told from one that boots, and the guest runs only when it must."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes, probes
from schedune_agent.probes import kvm, kvm_surroundings
from schedune_agent.probes.family import Answer, Part, observe
from schedune_agent.probes.kvm import KvmFamily, run_guest
from schedune_agent.probes.kvm_surroundings import Device
from schedune_agent.system.host_files import HostFiles
from schedune_agent.system.place import Place

AnswerIn = Callable[[Part, str], Answer]
SEV = ("/sys/module/kvm_amd/parameters/sev", "Y\n")


def _device(verdict: str = "ok", **more: int) -> Device:
    return Device("/dev/kvm", verdict, "as it was", **more)


def _look(root: Path, device: Device) -> dict[str, Answer]:
    return {one.name: one for one in kvm_surroundings.look(HostFiles(root), device)}


async def test_without_a_device_nothing_of_kvm_is_supported(
    tmp_path: Path, answer_in: AnswerIn
) -> None:
    part = await KvmFamily(HostFiles(tmp_path))()
    for name in KvmFamily.answers_for:
        found = answer_in(part, name)
        assert (found.state, found.row) == (CapabilityState.UNSUPPORTED, probes.CAP_KVM_MISSING)


async def test_a_device_that_is_none_leaves_everything_unknown(
    tmp_path: Path, answer_in: AnswerIn
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kvm").write_text("no device")
    part = await KvmFamily(HostFiles(tmp_path))()
    for name in ("kvm_vm_launch", "kvm_virtualization", "amd_sev"):
        found = answer_in(part, name)
        assert (found.state, found.row) == (CapabilityState.UNKNOWN, probes.CAP_KVM_ERROR)


async def test_a_device_that_blocks_on_open_is_unknown_and_not_broken(
    tmp_path: Path,
    answer_in: AnswerIn,
    hold_open: Callable[[Path], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kvm, "DEADLINE_S", 0.5)
    with hold_open(tmp_path / "dev" / "kvm"):
        part = await KvmFamily(HostFiles(tmp_path))()
    found = answer_in(part, "kvm_vm_launch")
    assert (found.state, found.value) == (CapabilityState.UNKNOWN, "silent")
    assert "opening it did not come back" in found.observed


@pytest.mark.parametrize(
    ("name", "script", "verdict"),
    [
        ("a guest that hangs", 'echo \'{"maxVcpus": 4, "vmTypes": 0}\'; exec sleep 60', "timeout"),
        ("nonsense", "echo hello", "error"),
        ("a list", "echo '[1]'", "error"),
        ("a crash", "kill -9 $$", "error"),
    ],
)
async def test_a_probe_that_ends_in_another_way_gives_its_own_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str, verdict: str
) -> None:
    """The program stands for the child of the probe, not for a device."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(kvm, "DEADLINE_S", 0.5)
    device = await run_guest(Path("/dev/kvm"))
    assert device.verdict == verdict
    assert device.most_vcpus == (4 if verdict == "timeout" else None)


async def test_the_guest_runs_again_only_for_another_device_module_or_boot(
    tmp_path: Path, put: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    async def count(path: Path, _place: Place) -> Device:
        runs.append(path)
        return _device("absent")

    monkeypatch.setattr(kvm, "run_guest", count)
    family = KvmFamily(HostFiles(tmp_path))

    async def runs_after(change: Callable[[], object]) -> int:
        change()
        await family()
        await family()
        return len(runs)

    put("/proc/sys/kernel/random/boot_id", "one")
    assert await runs_after(lambda: None) == 1
    assert await runs_after(lambda: put("/dev/kvm", "")) == 2
    assert await runs_after(lambda: (tmp_path / "dev/kvm").chmod(0o600)) == 3
    assert await runs_after(lambda: put(*SEV)) == 4
    assert await runs_after(lambda: put("/proc/sys/kernel/random/boot_id", "two")) == 5
    assert await runs_after(lambda: put("/proc/uptime", "3")) == 5


async def test_a_verdict_that_load_may_cause_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = iter(["timeout", "ok"])

    async def say(_: Path, _place: Place) -> Device:
        return _device(next(verdicts))

    monkeypatch.setattr(kvm, "run_guest", say)
    monkeypatch.setattr(kvm, "ASK_AGAIN_S", 0.0)
    family = KvmFamily(HostFiles(tmp_path))
    states = [(await family()).answers[0].state for _ in range(3)]
    assert states == [
        CapabilityState.UNAVAILABLE,
        CapabilityState.SUPPORTED,
        CapabilityState.SUPPORTED,
    ]


async def test_on_this_machine_the_answer_is_one_of_the_table_and_fast_when_known(
    answer_in: AnswerIn,
) -> None:
    family = KvmFamily()
    part = await family()
    found = answer_in(part, "kvm_vm_launch")
    present = answer_in(part, "kvm_virtualization")
    exists = Path("/dev/kvm").is_char_device()
    assert (present.state is CapabilityState.SUPPORTED) == exists
    if found.value in ("ok", "emulated", "no-run"):
        assert int(present.value or 0) >= 1
    started = asyncio.get_running_loop().time()
    assert (await family()).answers == part.answers
    assert asyncio.get_running_loop().time() - started < 0.5


def test_a_device_that_runs_no_guest_says_what_may_be_the_cause(
    tmp_path: Path, put: Callable[[str, str], None]
) -> None:
    put("/proc/cpuinfo", "flags : fpu sse2\n")
    put("/sys/module/kvm_pvm/refcnt", "0")
    files = HostFiles(tmp_path)
    hints = kvm_surroundings.hints(files, "x86_64")
    assert hints == ["its module is kvm_pvm", "the processor shows neither vmx nor svm"]
    assert kvm_surroundings.hints(files, "aarch64") == hints[:1]
    put("/proc/cpuinfo", "flags : fpu svm\n")
    assert kvm_surroundings.hints(files, "x86_64") == hints[:1]


async def test_a_guest_that_ran_as_slowly_as_if_emulated_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say(_: Path, _place: Place) -> Device:
        return _device("ok", milliseconds=430)

    monkeypatch.setattr(kvm, "run_guest", say)
    found = (await KvmFamily(HostFiles(tmp_path))()).answers[0]
    assert found.row is probes.CAP_KVM_RUNS
    assert "slow, as if it was emulated" in found.observed


@pytest.mark.parametrize(
    ("module", "said", "state", "row"),
    [
        ("kvm_intel", "Y", CapabilityState.SUPPORTED, device_probes.CAP_KVM_NESTED_ON),
        ("kvm_amd", "1", CapabilityState.SUPPORTED, device_probes.CAP_KVM_NESTED_ON),
        ("kvm_amd", "0", CapabilityState.UNSUPPORTED, device_probes.CAP_KVM_NESTED_OFF),
        ("kvm_intel", "?", CapabilityState.UNKNOWN, device_probes.CAP_FACT_UNREADABLE),
        ("kvm", "Y", CapabilityState.UNKNOWN, device_probes.CAP_FACT_UNREADABLE),
    ],
)
def test_nested_virtualization_is_what_the_module_says(
    tmp_path: Path,
    put: Callable[[str, str], None],
    module: str,
    said: str,
    state: CapabilityState,
    row: object,
) -> None:
    put(f"/sys/module/{module}/parameters/nested", said + "\n")
    found = _look(tmp_path, _device())["kvm_nested"]
    assert (found.state, found.row) == (state, row)


def test_confidential_guests_are_those_that_kvm_names(tmp_path: Path) -> None:
    found = _look(tmp_path, _device(vm_types=0b011101))
    assert (found["amd_sev"].value, found["intel_tdx"].state) == (
        "SEV, SEV-ES, SEV-SNP",
        CapabilityState.UNSUPPORTED,
    )
    assert found["intel_tdx"].row is device_probes.CAP_CONFIDENTIAL_OFF
    tdx = _look(tmp_path, _device(vm_types=0b100001))["intel_tdx"]
    assert (tdx.state, tdx.row, tdx.value) == (
        CapabilityState.SUPPORTED,
        device_probes.CAP_CONFIDENTIAL_READY,
        "TDX",
    )


def test_an_older_kernel_tells_sev_by_its_module_and_the_device(
    tmp_path: Path, put: Callable[[str, str], None]
) -> None:
    put(*SEV)
    old = _device(vm_types=1)
    assert _look(tmp_path, old)["amd_sev"].state is CapabilityState.UNSUPPORTED
    put("/dev/sev", "")
    assert _look(tmp_path, old)["amd_sev"].value == "SEV"


def test_of_a_device_that_nobody_may_open_confidential_guests_are_denied(tmp_path: Path) -> None:
    found = _look(tmp_path, _device("denied"))
    assert (found["amd_sev"].state, found["amd_sev"].row) == (
        CapabilityState.UNAVAILABLE,
        probes.CAP_KVM_DENIED,
    )
    assert found["kvm_virtualization"].row is device_probes.CAP_KVM_DEVICE_PRESENT


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(said=st.binary(max_size=64), bits=st.none() | st.integers(0, 2**31 - 1))
async def test_garbage_in_a_parameter_costs_its_own_answer_and_no_other(
    tmp_path: Path, said: bytes, bits: int | None
) -> None:
    folder = tmp_path / "sys/module/kvm_amd/parameters"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("nested", "sev"):
        (folder / name).write_bytes(said)
    outcome = await observe(KvmFamily(HostFiles(tmp_path)))
    assert outcome.run.outcome == "Succeeded"
    more = {} if bits is None else {"vm_types": bits}
    found = _look(tmp_path, _device(**more))
    assert set(found) == set(kvm_surroundings.NAMES)
