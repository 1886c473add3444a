"""VMM binaries: found, trusted, asked; whatever one of them does, it costs its own answer.

The programs here are small scripts: they are data for the code that inspects binaries and
stand for no VMM. Real ones are named by SCHEDUNE_TEST_CLOUD_HYPERVISOR and
SCHEDUNE_TEST_FIRECRACKER where they are at hand; QEMU is real.
"""

import hashlib
import os
import platform
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import BackendFact, CapabilityState
from schedune.codes import probes as qemu_rows
from schedune.codes import vmm_probes as rows
from schedune.launch.traits import LEAN_DEVICES
from schedune_agent.probes import binaries, vmm
from schedune_agent.probes.binaries import BinarySearch
from schedune_agent.probes.vmms import PROGRAMS, vmm_families
from schedune_agent.settings import DEFAULT_SEARCH_PATH
from schedune_agent.system.place import Place
from schedune_lab.machine import ensure_qemu
from schedune_testing.programs import Machine, look, says

FIRECRACKER = "firecracker"
CLOUD_HYPERVISOR = "cloud-hypervisor"


@pytest.mark.parametrize(
    ("name", "line", "version"),
    [
        (FIRECRACKER, "Firecracker v1.16.1", "1.16.1"),
        (FIRECRACKER, "Firecracker v1.17.0-dev", "1.17.0"),
        (CLOUD_HYPERVISOR, "cloud-hypervisor v53.0", "53.0"),
        (CLOUD_HYPERVISOR, "cloud-hypervisor v53.0.0", "53.0.0"),
        (CLOUD_HYPERVISOR, "cloud-hypervisor v50.0-123-gdeadbee-dirty", "50.0"),
    ],
)
async def test_a_binary_is_told_with_version_digest_and_place(
    machine: Machine, name: str, line: str, version: str
) -> None:
    path = machine.install(name, says(line))
    answer, (fact,) = await look(machine.family(name))
    assert (answer.state, answer.value) == (CapabilityState.SUPPORTED, version)
    present = {
        FIRECRACKER: rows.CAP_FIRECRACKER_PRESENT,
        CLOUD_HYPERVISOR: rows.CAP_CLOUD_HYPERVISOR_PRESENT,
    }
    assert answer.row is present[name]
    assert (fact.version, fact.version_line, fact.path) == (version, line, str(path.resolve()))
    assert fact.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert fact.accelerations == ["KVM"]


async def test_what_a_binary_offers_is_read_from_its_own_help(machine: Machine) -> None:
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    machine.install(CLOUD_HYPERVISOR, says("cloud-hypervisor v53.0"))
    _, (firecracker,) = await look(machine.family(FIRECRACKER))
    _, (other,) = await look(machine.family(CLOUD_HYPERVISOR))
    assert firecracker.features == ["api-sock", "config-file"]
    assert other.features == ["event-monitor", "landlock"]


async def test_without_binaries_each_says_what_is_missing(machine: Machine) -> None:
    found = {one.name: (await look(one))[0] for one in vmm_families("amd64", [machine.folder])}
    assert {name: one.row for name, one in found.items()} == {
        "qemu": qemu_rows.CAP_QEMU_MISSING,
        CLOUD_HYPERVISOR: rows.CAP_CLOUD_HYPERVISOR_MISSING,
        FIRECRACKER: rows.CAP_FIRECRACKER_MISSING,
    }
    assert found["qemu"].observed == "qemu-system-x86_64 or qemu-kvm"
    (riscv, *_) = vmm_families("riscv64", [machine.folder])
    assert (await look(riscv))[0].observed == "QEMU for riscv64"
    for one in vmm_families("Unknown", [machine.folder]):
        assert (await look(one))[0].state is CapabilityState.UNKNOWN


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("echo 'Firecracker 1.16.1'", "says 'Firecracker 1.16.1'"),
        ("echo; echo 'Firecracker v1.16.1'", "says ''"),
        ("echo 'Firecracker v1.16.1 and more'", "and more"),
        ("echo 'cloud-hypervisor v53.0'", "says 'cloud-hypervisor v53.0'"),
        ("echo 'Firecracker v999999999999.1.1'", "says 'Firecracker v9999"),
        ("printf '\\377\\376\\000'", "says '"),
        ("echo 'Firecracker v1.16.1'; exit 3", "ended with status 3"),
        ("kill -11 $$", "ended with status -11"),
        ("exec sleep 60", "did not end within 0.5 s"),
        ("setsid sleep 5 & echo 'Firecracker v1.16.1'", "did not end within 0.5 s"),
        ("sleep 60 & echo 'Firecracker v1.16.1'", "did not end within 0.5 s"),
        ("trap '' TERM HUP INT; while :; do sleep 1; done", "did not end within 0.5 s"),
        ("exec head -c 1073741824 /dev/zero", "printed more than 65536 bytes"),
        ("exec head -c 1073741824 /dev/zero >&2", "printed more than 65536 bytes"),
    ],
)
async def test_a_binary_that_lies_hangs_fails_or_floods_is_unknown_in_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, script: str, seen: str
) -> None:
    monkeypatch.setattr(binaries, "VERSION_DEADLINE_S", 0.5)
    machine.install(FIRECRACKER, script)
    started = time.monotonic()
    answer, facts = await look(machine.family(FIRECRACKER))
    assert time.monotonic() - started < 5
    assert (answer.state, answer.row) == (CapabilityState.UNKNOWN, rows.CAP_VMM_UNANSWERED)
    assert seen in answer.observed
    assert not facts


async def test_a_binary_for_another_processor_is_unknown(machine: Machine) -> None:
    path = machine.install(FIRECRACKER, "")
    path.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 60)
    answer, _ = await look(machine.family(FIRECRACKER))
    assert (answer.state, answer.row) == (CapabilityState.UNKNOWN, rows.CAP_VMM_UNANSWERED)
    assert "cannot be started" in answer.observed


async def test_a_qemu_that_tells_a_version_and_nothing_more_is_unknown(machine: Machine) -> None:
    machine.install("qemu-system-x86_64", "echo 'QEMU emulator version 9.2.0'")
    answer, facts = await look(machine.family("qemu"))
    assert (answer.state, answer.row) == (CapabilityState.UNKNOWN, qemu_rows.CAP_QEMU_UNANSWERED)
    assert "ended before it listened" in answer.observed
    assert not facts


async def test_another_binary_is_asked_anew_and_the_same_one_is_not(machine: Machine) -> None:
    count = machine.folder.parent / "count"
    machine.install(FIRECRACKER, f"echo x >> {count}; " + says("Firecracker v1.15.1"))
    family = machine.family(FIRECRACKER)
    versions = [(await look(family))[0].value for _ in range(3)]
    assert versions == ["1.15.1"] * 3
    assert count.read_text() == "x\n" * 2  # --version and --help
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    assert (await look(family))[0].value == "1.16.1"
    (machine.folder / FIRECRACKER).unlink()
    assert (await look(family))[0].row is rows.CAP_FIRECRACKER_MISSING


async def test_a_binary_that_hung_is_not_waited_for_in_every_round(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "VERSION_DEADLINE_S", 0.5)
    machine.install(FIRECRACKER, "exec sleep 60")
    family = machine.family(FIRECRACKER)
    first, _ = await look(family)
    started = time.monotonic()
    assert (await look(family))[0] == first
    assert time.monotonic() - started < 0.5
    monkeypatch.setattr(binaries, "ASK_AGAIN_S", 0.0)
    started = time.monotonic()
    await look(family)
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize(("jailer", "is_there"), [("1.16.1", True), ("1.15.0", False)])
async def test_a_jailer_counts_if_it_is_of_the_same_release(
    machine: Machine, jailer: str, is_there: bool
) -> None:
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    family = machine.family(FIRECRACKER)
    assert "jailer" not in (await look(family))[1][0].features
    machine.install("jailer", f"echo 'Jailer v{jailer}'")
    assert ("jailer" in (await look(family))[1][0].features) is is_there


async def test_a_jailer_that_fails_is_no_fault_of_firecracker(machine: Machine) -> None:
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    machine.install("jailer", "exit 1")
    answer, (fact,) = await look(machine.family(FIRECRACKER))
    assert answer.state is CapabilityState.SUPPORTED
    assert "jailer" not in fact.features


async def test_a_build_for_fuzzing_is_refused(machine: Machine) -> None:
    machine.install(FIRECRACKER, says("Firecracker v1.16.1+fuzzing"))
    answer, facts = await look(machine.family(FIRECRACKER))
    assert (answer.state, answer.row) == (
        CapabilityState.UNAVAILABLE,
        rows.CAP_FIRECRACKER_FUZZING,
    )
    assert not facts


async def test_in_a_store_of_digests_the_newest_counts(machine: Machine, tmp_path: Path) -> None:
    for age, version in ((100, "1.15.1"), (0, "1.16.1"), (200, "1.14.4")):
        store = machine.folder / hashlib.sha256(version.encode()).hexdigest()
        store.mkdir()
        Machine(store).install(FIRECRACKER, says(f"Firecracker v{version}"))
        os.utime(store, (time.time() - age, time.time() - age))
    other = Machine(machine.folder / "not-a-digest")
    other.folder.mkdir()
    other.install(FIRECRACKER, says("Firecracker v9.9.9"))
    assert (await look(machine.family(FIRECRACKER)))[0].value == "1.16.1"


async def test_the_environment_of_the_agent_is_not_the_binarys(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDUNE_SECRET", "v6.6.6")
    machine.install(FIRECRACKER, says("Firecracker v1.16.1$SCHEDUNE_SECRET").replace("'", '"'))
    assert (await look(machine.family(FIRECRACKER)))[0].value == "1.16.1"


async def test_a_search_path_that_does_not_answer_leaves_binaries_unknown_in_time(
    machine: Machine, silent_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_FIND_DEADLINE_S", 0.5)
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    started = time.monotonic()
    answer, _ = await look(machine.family(FIRECRACKER, silent_folder))
    assert time.monotonic() - started < 3
    assert (answer.state, answer.row) == (CapabilityState.UNKNOWN, rows.CAP_VMM_UNANSWERED)
    assert "took more than 0.5 s" in answer.observed


async def test_a_file_that_is_replaced_while_it_is_asked_is_not_digested(machine: Machine) -> None:
    path = machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    found = (await BinarySearch(sorted(PROGRAMS), [machine.folder]).look())[FIRECRACKER]
    machine.install(FIRECRACKER, says("Firecracker v1.16.1"))
    with pytest.raises(binaries.UnansweredError, match="replaced"):
        await binaries.digest(found)
    assert found.path == str(path.resolve())


async def test_the_real_qemu_of_this_machine_says_what_it_can_do() -> None:
    ensure_qemu()
    is_x86 = platform.machine() == "x86_64"
    folders = [Path(one) for one in DEFAULT_SEARCH_PATH]
    (family, *_) = vmm_families("amd64" if is_x86 else "arm64", folders)
    answer, (fact,) = await look(family)
    assert (answer.state, answer.row) == (CapabilityState.SUPPORTED, qemu_rows.CAP_QEMU_PRESENT)
    assert fact.version is not None
    assert fact.version_line.startswith(f"QEMU emulator version {fact.version}")
    assert set(fact.machine_types) == ({"q35", "microvm"} if is_x86 else {"virt"})
    assert "Emulated" in fact.accelerations
    assert set(fact.features) == family.traits.all_devices | (LEAN_DEVICES if is_x86 else set())


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        (CLOUD_HYPERVISOR, "SCHEDUNE_TEST_CLOUD_HYPERVISOR"),
        (FIRECRACKER, "SCHEDUNE_TEST_FIRECRACKER"),
    ],
)
async def test_a_real_binary_that_is_given_answers(
    machine: Machine, name: str, variable: str
) -> None:
    """Without one, the form of its version is all that is tested; scripts above do that."""
    given_path = os.environ.get(variable)
    if given_path is None:
        machine.install(name, says(_RELEASES[name]))
    else:
        (machine.folder / name).write_bytes(Path(given_path).read_bytes())
        (machine.folder / name).chmod(0o755)
    answer, (fact,) = await look(machine.family(name))
    assert answer.state is CapabilityState.SUPPORTED
    assert fact.version


_RELEASES = {CLOUD_HYPERVISOR: "cloud-hypervisor v53.0", FIRECRACKER: "Firecracker v1.16.1"}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
@given(line=st.text(max_size=80) | st.from_regex(vmm._FIRECRACKER, fullmatch=True))
async def test_whatever_line_a_binary_gives_is_a_version_or_is_unknown(
    machine: Machine, line: str
) -> None:
    async def say(path: str, option: str, place: Place) -> str:
        return line

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaries, "ask_text", say)
        try:
            told, found = await binaries.ask_version("/usr/bin/firecracker", vmm._FIRECRACKER)
        except binaries.UnansweredError:
            return
    assert told.startswith(f"Firecracker v{found[1]}")
    assert BackendFact(name="Firecracker", path="/", version=found[1], version_line=told)
