"""Initial RAM disks: archives one after the other, and the programs in them."""

import gzip

import pytest
import zstandard

from schedune.evidence import initramfs
from schedune_testing.images import cpio, elf, look

MICROCODE = cpio({"kernel/x86/microcode/GenuineIntel.bin": b"\x01" * 100})


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_an_archive_is_for_the_machine_of_its_programs(architecture: str) -> None:
    found = look(cpio({"init": b"#!/bin/sh", "bin/busybox": elf(architecture)}))
    assert (found.kind, found.format, found.architecture) == ("Initrd", "Cpio", architecture)
    assert "at 0x12 of bin/busybox" in found.text


@pytest.mark.parametrize("padding", [0, 4, 512, 5000])
def test_behind_a_microcode_archive_the_compressed_rest_is_looked_into(padding: int) -> None:
    rest = zstandard.compress(cpio({"init": elf("amd64")}))
    found = look(MICROCODE + bytes(padding) + rest)
    assert found.architecture == "amd64"
    assert "Zstd at" in found.text


def test_several_uncompressed_archives_are_one() -> None:
    found = look(MICROCODE + cpio({"a": b""}) + bytes(508) + cpio({"init": elf("arm64")}))
    assert found.architecture == "arm64"


def test_programs_for_two_machines_are_a_conflict_that_names_both() -> None:
    found = look(cpio({"init": elf("amd64"), "usr/bin/tool": elf("arm64")}))
    assert found.architecture == "Conflict"
    assert "of init (amd64)" in found.text
    assert "of usr/bin/tool (arm64)" in found.text


def test_a_32_bit_program_under_a_64_bit_kernel_is_no_conflict() -> None:
    assert look(cpio({"init": elf("386"), "lib/m.ko": elf("amd64")})).architecture == "amd64"


def test_firmware_of_devices_says_nothing_about_the_machine() -> None:
    found = look(cpio({"init": elf("amd64"), "usr/lib/firmware/dsp.elf": elf("arm")}))
    assert found.architecture == "amd64"


def test_an_archive_without_programs_is_an_initrd_of_unknown_architecture() -> None:
    found = look(cpio({"init": b"#!/bin/sh"}))
    assert (found.kind, found.architecture) == ("Initrd", "Unknown")
    assert "no program among them" in found.text


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (b"070701" + b"zz" * 52, "no cpio entry"),
        (b"070701" + b" 0000001" * 13, "no cpio entry"),
        (b"070701" + b"0" * 88 + b"FFFFFFFF" + b"0" * 8, "a name of 4294967295 bytes"),
        (b"070701" + b"0" * 104, "a name of 0 bytes"),
    ],
)
def test_an_entry_that_makes_no_sense_ends_the_walk_and_keeps_what_was_found(
    spoilt: bytes, told: str
) -> None:
    found = look(cpio({"init": elf("arm64")}, trailer=False) + spoilt)
    assert found.architecture == "arm64"
    assert told in found.text


def test_only_so_many_entries_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initramfs, "MOST_ENTRIES", 10)
    found = look(cpio({f"file{one}": b"" for one in range(11)}))
    assert "the first 10 entries were looked at" in found.text


def test_a_bomb_is_told_and_not_unpacked() -> None:
    hostile = gzip.compress(cpio({"zeros": bytes(40 * 2**20)}))
    found = look(hostile)
    assert found.kind == "Initrd"
    assert found.architecture == "Unknown"
    assert "more than 256 bytes come out of one" in found.text
