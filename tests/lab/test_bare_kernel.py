"""Firecracker boots bare kernels only: the lab takes them out of what distributions ship."""

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from schedune_lab import settings
from schedune_lab.bare_kernel import write_bare_kernel
from schedune_lab.machine import KernelFiles, ensure_kernel
from schedune_lab.progress import LabError

ELF = b"\x7fELF" + bytes(range(256)) * 64
IMAGE = b"MZ" + bytes(0x36) + b"ARM\x64" + bytes(0x4000)
_SETUP_SECTORS = 3
_PAYLOAD_OFFSET = 64
_WAYS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
}


def bzimage(payload: bytes) -> bytes:
    """Return a kernel image for amd64 as Linux's own build makes it."""
    setup = bytearray((_SETUP_SECTORS + 1) * 512)
    setup[0x1F1], setup[0x202:0x206] = _SETUP_SECTORS, b"HdrS"
    struct.pack_into("<II", setup, 0x248, _PAYLOAD_OFFSET, len(payload) + 4)
    return bytes(setup) + bytes(_PAYLOAD_OFFSET) + payload + struct.pack("<I", 7) + b"code"


def bare(folder: Path, image: bytes) -> bytes:
    (folder / "vmlinuz").write_bytes(image)
    write_bare_kernel(folder / "vmlinuz", folder / "bare")
    return (folder / "bare").read_bytes()


@pytest.mark.parametrize("way", _WAYS)
def test_the_elf_is_taken_out_of_a_bzimage_however_it_is_compressed(
    way: str, tmp_path: Path
) -> None:
    assert bare(tmp_path, bzimage(_WAYS[way](ELF))) == ELF


@pytest.mark.parametrize("image", [IMAGE, gzip.compress(IMAGE)])
def test_an_image_for_arm64_is_unpacked_where_it_is_compressed(
    image: bytes, tmp_path: Path
) -> None:
    assert bare(tmp_path, image) == IMAGE


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (bzimage(gzip.compress(b"no kernel")), "its payload is no ELF"),
        (bzimage(gzip.compress(ELF)[:-400]), "its payload is compressed and broken"),
        (bzimage(b"\x02\x21\x4c\x18" + ELF), "in a way that is not known here: Lz4Legacy"),
        (bzimage(ELF)[:0x24A], "holds no kernel that Firecracker boots"),
    ],
)
def test_an_image_without_one_is_told_by_its_name_and_what_is_wrong(
    image: bytes, why: str, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match=f"vmlinuz.*{why}"):
        bare(tmp_path, image)
    assert not (tmp_path / "bare").exists()


def test_a_lab_whose_kernel_has_none_comes_up_without_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(b"no kernel"))
    monkeypatch.setattr(settings, "ensure_kernel", lambda: KernelFiles(image, tmp_path, "1"))
    settings.put_images(tmp_path / "images")
    assert {one.name for one in (tmp_path / "images").iterdir()} == {"lab-kernel", "lab-initrd"}
    told = capsys.readouterr()
    assert "no VM under Firecracker can run here" in told.out + told.err


def test_the_distributions_kernel_has_one(tmp_path: Path) -> None:
    write_bare_kernel(ensure_kernel().image, tmp_path / "bare")
    head = (tmp_path / "bare").read_bytes()[:64]
    assert head.startswith(b"\x7fELF") or head[0x38:0x3C] == b"ARM\x64"
