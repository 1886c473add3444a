"""Raw disks: partition types, boot loaders, and the programs of a root."""

import pytest

from schedune_testing.filesystems import ExtMaker, fat
from schedune_testing.images import (
    ESP_TYPE,
    LINUX_TYPE,
    ROOT_TYPES,
    elf,
    gpt,
    look,
    mbr,
    pe,
)

OTHER = {"amd64": "arm64", "arm64": "amd64"}
LOADERS = {"amd64": "BOOTX64.EFI", "arm64": "BOOTAA64.EFI"}


def root(architecture: str, *, extents: bool = True) -> bytes:
    made = ExtMaker(extents=extents)
    made.put("/usr/lib/systemd/systemd", elf(architecture) + bytes(3000))
    made.link("/lib", "usr/lib")
    made.link("/sbin/init", "/lib/systemd/systemd")
    made.link("/bin", "usr/bin")
    made.link("/usr/bin/sh", "dash")
    made.put("/usr/bin/dash", elf(architecture))
    return made.make()


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("sector", [512, 4096])
def test_the_type_of_a_root_partition_proves_the_architecture(
    architecture: str, sector: int
) -> None:
    found = look(gpt([(ROOT_TYPES[architecture], b"")], sector=sector))
    assert (found.kind, found.format, found.architecture) == ("Disk", "Raw", architecture)
    assert f"gpt: type {ROOT_TYPES[architecture]} at partition 1" in found.text


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_boot_loader_proves_it_by_its_header_not_by_its_name(architecture: str) -> None:
    esp = fat({LOADERS[architecture]: pe(architecture)})
    found = look(gpt([(ESP_TYPE, esp)]))
    assert found.architecture == architecture
    assert f"partition 1, {LOADERS[architecture]}" in found.text


def test_a_loader_whose_name_and_header_differ_is_a_conflict() -> None:
    found = look(gpt([(ESP_TYPE, fat({"BOOTX64.EFI": pe("arm64")}))]))
    assert found.architecture == "Conflict"


def test_a_medium_with_loaders_for_several_machines_proves_none() -> None:
    esp = fat({"BOOTX64.EFI": pe("amd64"), "BOOTAA64.EFI": pe("arm64")})
    assert look(gpt([(ESP_TYPE, esp)])).architecture == "Unknown"
    assert look(gpt([(ESP_TYPE, esp), (ROOT_TYPES["arm64"], b"")])).architecture == "arm64"


@pytest.mark.parametrize("extents", [False, True])
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_programs_of_an_ext_root_prove_it(architecture: str, *, extents: bool) -> None:
    for disk in (
        root(architecture, extents=extents),
        gpt([(LINUX_TYPE, root(architecture, extents=extents))]),
        mbr([(0x83, root(architecture, extents=extents))]),
    ):
        found = look(disk)
        assert found.architecture == architecture
        assert "/sbin/init" in found.text


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_root_of_one_machine_under_the_type_of_another_is_a_conflict(architecture: str) -> None:
    found = look(gpt([(ROOT_TYPES[architecture], root(OTHER[architecture]))]))
    assert found.architecture == "Conflict"
    assert f"({architecture})" in found.text
    assert f"({OTHER[architecture]})" in found.text


def test_links_are_followed_eight_times_and_no_ninth() -> None:
    for hops, architecture in ((8, "arm64"), (9, "Unknown")):
        made = ExtMaker()
        made.put("/target", elf("arm64"))
        for number in range(1, hops):
            made.link(f"/l{number}", f"l{number + 1}" if number < hops - 1 else "target")
        made.link("/sbin/init", "../l1")
        found = look(made.make())
        assert found.architecture == architecture
        assert ("more than 8 symbolic links" in found.text) == (hops == 9)


@pytest.mark.parametrize("target", ["init", "/sbin/init", "/sbin/../sbin/init"])
def test_links_in_a_circle_end(target: str) -> None:
    made = ExtMaker()
    made.link("/sbin/init", target)
    found = look(made.make())
    assert found.architecture == "Unknown"
    assert "more than 8 symbolic links" in found.text


def test_a_link_out_of_the_image_stays_in_it() -> None:
    made = ExtMaker()
    made.link("/sbin/init", "../../../../../../bin/true")
    assert look(made.make()).architecture == "Unknown"


@pytest.mark.parametrize(
    ("at", "magic", "name"),
    [
        (0, b"hsqs", "squashfs"),
        (0, b"XFSB", "XFS"),
        (0x400, b"\xe2\xe1\xf5\xe0", "EROFS"),
        (0x8001, b"CD001", "ISO 9660"),
        (0x10040, b"_BHRfS_M", "btrfs"),
        (0, b"LUKS\xba\xbe", "LUKS"),
    ],
)
def test_a_file_system_that_is_not_read_is_named_and_unknown(
    at: int, magic: bytes, name: str
) -> None:
    content = bytes(at) + magic + bytes(2**17)
    for disk in (content, gpt([(LINUX_TYPE, content)])):
        found = look(disk)
        assert (found.kind, found.format, found.architecture) == ("Disk", "Raw", "Unknown")
        assert f"{name}: its programs are not read" in found.text


def test_a_gpt_with_an_absurd_number_of_entries_is_read_as_far_as_one_may_have() -> None:
    found = look(gpt([(ROOT_TYPES["amd64"], b"")], count=0xFFFFFFFF))
    assert found.architecture == "amd64"
    assert "4294967295 entries, 128 looked at" in found.text


@pytest.mark.parametrize("entry_bytes", [0, 1, 127, 129, 2**31])
def test_a_gpt_with_absurd_entries_is_told_and_proves_nothing(entry_bytes: int) -> None:
    found = look(gpt([(ROOT_TYPES["amd64"], b"")], entry_bytes=entry_bytes))
    assert found.architecture == "Unknown"
    assert f"entries of {entry_bytes} bytes" in found.text


def test_any_other_bytes_are_a_raw_disk_without_a_claim() -> None:
    found = look(b"just some text\n" * 100)
    assert (found.kind, found.format, found.architecture) == ("Disk", "Raw", "Unknown")
    assert found.text == "no known header"
