"""Kernels: what each form proves, and what its other faces say about it."""

import gzip
import lzma

import lz4.block
import lz4.frame
import pytest
import zstandard

from schedune_testing.images import (
    arm64_image,
    bzimage,
    cpio,
    elf,
    look,
    pe,
    riscv_image,
    with_pe,
    zboot,
)


def lz4_legacy(content: bytes) -> bytes:
    block = lz4.block.compress(content, store_size=False)
    return b"\x02\x21\x4c\x18" + len(block).to_bytes(4, "little") + block


COMPRESSIONS = {
    "Gzip": gzip.compress,
    "Xz": lzma.compress,
    "Zstd": zstandard.compress,
    "Lz4": lz4.frame.compress,
    "Lz4Legacy": lz4_legacy,
}


@pytest.mark.parametrize(
    ("content", "form", "architecture", "proof"),
    [
        (bzimage(), "BzImage", "amd64", "xloadflags 0x1 at 0x236"),
        (bzimage(flags=0), "BzImage", "386", "xloadflags 0x0 at 0x236"),
        (bzimage(protocol=0x20B), "BzImage", "Unknown", "protocol 0x20b, no xloadflags at 0x206"),
        (arm64_image(), "Image", "arm64", "ARM\\x64, little endian, pages 4K at 0x38"),
        (arm64_image(0b111), "Image", "arm64", "ARM\\x64, big endian, pages 64K at 0x38"),
        (riscv_image(), "Image", "riscv64", "RSC\\x05 at 0x38"),
        (elf("amd64", pvh=True), "ELF", "amd64", "e_machine 62 at 0x12; pvh: note Xen 18"),
        (elf("amd64", kernel=True), "ElfNoPvh", "amd64", "no PVH note"),
        (elf("arm64", kernel=True), "ELF", "arm64", "e_machine 183 at 0x12"),
        (pe("amd64", section=b".linux"), "UKI", "amd64", "machine 0x8664"),
        (zboot(gzip.compress(arm64_image())), "EfiZboot", "arm64", "ARM\\x64 at 0x38 of its pay"),
    ],
)
def test_a_kernel_proves_its_architecture_and_says_by_which_bytes(
    content: bytes, form: str, architecture: str, proof: str
) -> None:
    found = look(content)
    assert (found.kind, found.format, found.architecture) == ("Kernel", form, architecture)
    assert proof in found.text
    assert not found.refusal


@pytest.mark.parametrize("form", COMPRESSIONS)
@pytest.mark.parametrize(
    ("inner", "kind", "architecture"),
    [
        (arm64_image(), "Kernel", "arm64"),
        (elf("amd64", pvh=True), "Kernel", "amd64"),
        (cpio({"init": elf("arm64")}), "Initrd", "arm64"),
        (b"nothing that boots" * 100, "Disk", "Unknown"),
    ],
)
def test_a_compressed_file_is_what_is_inside(
    form: str, inner: bytes, kind: str, architecture: str
) -> None:
    found = look(COMPRESSIONS[form](inner))
    assert (found.kind, found.format, found.architecture) == (kind, form, architecture)


@pytest.mark.parametrize("form", COMPRESSIONS)
def test_the_compressed_vmlinux_of_a_bzimage_agrees_with_its_header(form: str) -> None:
    found = look(bzimage(payload=COMPRESSIONS[form](elf("amd64", kernel=True))))
    assert found.architecture == "amd64"
    assert "e_machine 62 at 0x12 of its payload" in found.text


@pytest.mark.parametrize(
    ("content", "first", "second"),
    [
        (with_pe(arm64_image(), "amd64"), "(arm64)", "machine 0x8664 at 0x304 (amd64)"),
        (with_pe(bzimage(), "arm64"), "xloadflags 0x1 at 0x236 (amd64)", "0xaa64 at 0x304 (arm64)"),
        (
            bzimage(payload=gzip.compress(elf("arm64", kernel=True))),
            "xloadflags 0x1 at 0x236 (amd64)",
            "e_machine 183 at 0x12 of its payload (arm64)",
        ),
        (
            zboot(gzip.compress(arm64_image()), architecture="amd64"),
            "machine 0x8664 at 0x84 (amd64)",
            "at 0x38 of its payload (arm64)",
        ),
    ],
)
def test_faces_that_disagree_are_a_conflict_that_names_both(
    content: bytes, first: str, second: str
) -> None:
    found = look(content)
    assert found.architecture == "Conflict"
    assert first in found.text
    assert second in found.text


@pytest.mark.parametrize(
    ("content", "form", "why"),
    [
        (elf(), "ELF", "an ELF that is no kernel"),
        (elf(segments=0xFFFF, kernel=True), "ELF", "65535 program headers"),
        (elf(kernel=True)[:70], "ELF", "ends before the"),
        (pe(subsystem=3), "PE", "no EFI binary: subsystem 3"),
        (b"", "Empty", "an empty file"),
    ],
)
def test_what_no_vmm_can_start_is_refused_with_the_reason(
    content: bytes, form: str, why: str
) -> None:
    found = look(content)
    assert (found.kind, found.format) == ("Unknown", form)
    assert why in found.refusal


def test_an_efi_binary_is_firmware_for_the_machine_of_its_header() -> None:
    found = look(pe("arm64"))
    assert (found.kind, found.format, found.architecture) == ("Firmware", "EFI", "arm64")


@pytest.mark.parametrize("payload", [b"BZh91AY&SY", gzip.compress(elf())[:9], b""])
def test_a_payload_that_cannot_be_read_leaves_the_header_s_word(payload: bytes) -> None:
    found = look(bzimage(payload=payload))
    assert found.architecture == "amd64"
    assert "payload not looked into" in found.text


MEBI = 2**20


@pytest.mark.parametrize(
    ("content", "memory"),
    [
        (bzimage(room=(16 * MEBI, 56 * MEBI)), 72 * MEBI),
        (bzimage(room=(16 * MEBI, 56 * MEBI), protocol=0x209), None),
        (bzimage(room=(16 * MEBI, 0)), None),
        (elf("amd64", pvh=True, room=(64 * MEBI, 2 * MEBI)), 66 * MEBI),
        (elf("arm64", kernel=True, room=(64 * MEBI, 0)), None),
        (arm64_image(), 4096),
        (arm64_image()[:0x10] + bytes(8) + arm64_image()[0x18:], None),
        (gzip.compress(arm64_image()), None),
        (cpio({"init": elf("amd64", room=(64 * MEBI, 2 * MEBI))}), None),
    ],
)
def test_a_kernel_tells_how_much_memory_it_is_put_into_or_nobody_knows(
    content: bytes, memory: int | None
) -> None:
    assert look(content).memory == memory
