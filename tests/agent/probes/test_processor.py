"""The processor, as recorded machines and this one tell it."""

import os
import platform
from pathlib import Path

import psutil
import pytest

from schedune.api.nodetruth import CPUFacts
from schedune_agent.probes.family import observe
from schedune_agent.probes.processor import ProcessorFamily, architecture
from schedune_agent.probes.vulnerabilities import judge
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import NAMES, recorded, write


async def look(files: HostFiles) -> CPUFacts:
    cpu = (await ProcessorFamily(files)()).facts["cpu"]
    assert isinstance(cpu, CPUFacts)
    return cpu


def test_the_five_kinds_of_machine_are_recorded_with_their_provenance() -> None:
    assert set(NAMES) == {"amd-epyc", "arm64-server", "container", "intel-skylake-server", "nested"}


@pytest.mark.parametrize(
    ("name", "kind", "vendor", "model", "logical", "sockets", "cores"),
    [
        ("amd-epyc", "amd64", "AuthenticAMD", "AMD EPYC Processor", 4, 2, 4),
        (
            "intel-skylake-server", "amd64", "GenuineIntel", "Intel Xeon Processor (Skylake)",
            4, 2, 2,
        ),
        ("arm64-server", "arm64", "ARM", "Neoverse-N1", 4, 2, 2),
        ("nested", "amd64", "AuthenticAMD", "AMD EPYC Processor", 2, 1, 2),
        ("container", "amd64", "AuthenticAMD", "AMD EPYC", 2, 1, 2),
    ],
)  # fmt: skip
async def test_a_recorded_machine_tells_what_it_was(
    name: str, kind: str, vendor: str, model: str, logical: int, sockets: int, cores: int
) -> None:
    cpu = await look(recorded(name))
    assert (cpu.architecture, cpu.vendor, cpu.model) == (kind, vendor, model)
    assert (cpu.cores, cpu.sockets, cpu.physical_cores) == (logical, sockets, cores)


async def test_flags_tell_a_machine_that_is_virtual_and_one_that_can_have_vms_itself() -> None:
    nested, intel = await look(recorded("nested")), await look(recorded("intel-skylake-server"))
    assert {"svm", "npt", "hypervisor"} <= set(nested.flags)
    assert "hypervisor" in intel.flags
    assert "vmx" not in intel.flags


async def test_an_arm64_processor_is_named_by_implementer_part_and_register() -> None:
    assert (await look(recorded("arm64-server"))).midr == "0x00000000414fd0c1"
    assert (await look(recorded("amd-epyc"))).midr is None


async def test_vulnerabilities_are_sorted_by_what_the_kernel_does_about_them() -> None:
    found = (await look(recorded("intel-skylake-server"))).vulnerabilities
    assert found is not None
    assert found.vulnerable == ["mds", "mmio_stale_data", "retbleed", "spec_store_bypass"]
    assert "meltdown" in found.mitigated
    assert "tsx_async_abort" in found.not_affected
    assert found.unknown == ["gather_data_sampling"], "Unknown: Dependent on hypervisor status"


async def test_a_kernel_that_knows_nothing_of_vulnerabilities_is_not_taken_for_safe(
    tmp_path: Path,
) -> None:
    files = write(tmp_path, sys__devices__system__cpu__online="0")
    found = (await look(files)).vulnerabilities
    assert found is not None
    assert "meltdown" in found.unknown
    assert not found.not_affected


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Not affected", "not_affected"),
        ("Mitigation: PTI", "mitigated"),
        ("Mitigation: Clear CPU buffers; SMT vulnerable", "partial"),
        ("Vulnerable: Clear CPU buffers attempted, no microcode", "vulnerable"),
        ("KVM: Mitigation: VMX unsupported", "mitigated"),
        ("KVM: Vulnerable", "vulnerable"),
        ("Processor vulnerable", "vulnerable"),
        ("Unknown: Dependent on hypervisor status", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_kernels_words_about_a_vulnerability(text: str, state: str) -> None:
    assert judge(text) == state


@pytest.mark.parametrize("name", NAMES)
def test_the_architecture_is_the_trees_and_not_this_machines(name: str) -> None:
    assert architecture(recorded(name)) == ("arm64" if name == "arm64-server" else "amd64")


@pytest.mark.parametrize("name", ["amd-epyc", "arm64-server"])
def test_a_kernel_too_old_to_name_its_architecture_is_known_by_cpuinfo(
    name: str, tmp_path: Path
) -> None:
    files = write(tmp_path, proc__cpuinfo=recorded(name).read("proc/cpuinfo"))
    assert architecture(files) == architecture(recorded(name))


def test_a_tree_that_says_nothing_is_of_unknown_architecture(tmp_path: Path) -> None:
    assert architecture(HostFiles(tmp_path)) == "Unknown"


async def test_cpus_are_counted_where_cpuinfo_is_longer_than_we_read(tmp_path: Path) -> None:
    block = "flags\t\t: lm svm " + "x" * 1000 + "\n\n"
    files = write(
        tmp_path, proc__cpuinfo=block * 512, sys__devices__system__cpu__online="0-199,256-511"
    )
    cpu = await look(files)
    assert cpu.cores == 456
    assert cpu.flags == ["svm"]
    assert (cpu.sockets, cpu.physical_cores) == (None, None)


async def test_where_sys_is_missing_the_cpus_are_those_of_proc(tmp_path: Path) -> None:
    files = write(tmp_path, proc__stat="cpu  1 2\ncpu0 1 1\ncpu3 0 1\nintr 5\n")
    assert (await look(files)).cores == 2


async def test_where_nothing_counts_the_cpus_the_probe_fails_and_says_so(tmp_path: Path) -> None:
    outcome = await observe(ProcessorFamily(HostFiles(tmp_path)))
    assert outcome.run.reason_code == "PROBE_FAILED"
    assert not outcome.part.facts


async def test_one_broken_file_costs_its_own_fact_and_is_told(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        proc__sys__kernel__arch="x86_64",
        sys__devices__system__cpu__online="0",
        sys__devices__system__cpu__cpu0__topology__physical_package_id="zero",
        sys__devices__system__cpu__cpu0__topology__core_cpus_list="0",
    )
    part = await ProcessorFamily(files)()
    cpu = part.facts["cpu"]
    assert isinstance(cpu, CPUFacts)
    assert (cpu.architecture, cpu.sockets, cpu.physical_cores) == ("amd64", None, 1)
    (unread,) = part.unread
    assert "physical_package_id: says 'zero', which is no number" in unread


async def test_this_machine_tells_what_it_tells_others() -> None:
    cpu = await look(HOST)
    expected = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    assert cpu.architecture == expected
    assert cpu.cores == psutil.cpu_count(logical=True) == os.cpu_count()
    assert cpu.physical_cores == psutil.cpu_count(logical=False)
