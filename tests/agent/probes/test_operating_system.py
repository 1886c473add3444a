"""The operating system and its machine."""

import os
import platform
import socket
from pathlib import Path

import pytest

from schedune.api.nodetruth import OSFacts
from schedune_agent.probes.operating_system import SystemFamily
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_testing.recorded import NAMES, recorded, write


async def look(files: HostFiles) -> OSFacts:
    found = (await SystemFamily(files)()).facts["os"]
    assert isinstance(found, OSFacts)
    return found


@pytest.mark.parametrize("name", NAMES)
async def test_every_recorded_machine_is_a_virtual_one_and_says_so(name: str) -> None:
    found = await look(recorded(name))
    assert found.machine == "Virtual"
    assert found.kernel == recorded(name).read("proc/sys/kernel/osrelease").strip()
    assert found.pid_max


async def test_a_virtual_machine_names_its_maker() -> None:
    found = await look(recorded("intel-skylake-server"))
    assert (found.machine_vendor, found.io_uring) == ("QEMU", "Enabled")
    assert found.machine_product == "Standard PC (Q35 + ICH9, 2009)"


async def test_a_container_has_a_name_and_a_distribution_of_its_own() -> None:
    found = await look(recorded("container"))
    assert (found.hostname, found.name) == ("agent-7d4b9", "Debian GNU/Linux 12 (bookworm)")


@pytest.mark.parametrize(
    ("files", "machine"),
    [
        ({"proc__cpuinfo": "flags : lm vmx"}, "Physical"),
        ({"proc__cpuinfo": "flags : lm hypervisor"}, "Virtual"),
        ({"sys__class__dmi__id__sys_vendor": "Ampere(R)"}, "Physical"),
        (
            {
                "sys__class__dmi__id__sys_vendor": "Amazon EC2",
                "sys__class__dmi__id__product_name": "c7g.metal",
            },
            "Physical",
        ),
        (
            {
                "sys__class__dmi__id__sys_vendor": "Amazon EC2",
                "sys__class__dmi__id__product_name": "c7g.large",
            },
            "Virtual",
        ),
        ({"proc__device-tree__compatible": b"linux,dummy-virt\0"}, "Virtual"),
        ({"sys__hypervisor__type": "xen"}, "Virtual"),
        ({}, None),
    ],
    ids=["no flag", "flag", "maker", "metal of a cloud", "vm of a cloud", "tree", "xen", "nothing"],
)
async def test_whether_the_machine_is_virtual_is_told_by_proof_and_else_unknown(
    files: dict[str, str | bytes], machine: str | None, tmp_path: Path
) -> None:
    assert (await look(write(tmp_path, **files))).machine == machine


@pytest.mark.parametrize(("told", "meaning"), [("1", "Restricted"), ("2", "Disabled"), ("7", None)])
async def test_who_may_use_io_uring_is_told(told: str, meaning: str | None, tmp_path: Path) -> None:
    files = write(tmp_path, proc__sys__kernel__io_uring_disabled=told)
    assert (await look(files)).io_uring == meaning


async def test_this_machine_tells_what_it_tells_others() -> None:
    found = await look(HOST)
    assert (found.hostname, found.kernel) == (socket.gethostname(), platform.release())
    assert found.name == platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    assert os.uname().nodename == found.hostname
