"""Disk containers: recognised all, used qcow2 only, and that only when it stands alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from schedune.evidence.qcow2 import MOST_VIRTUAL
from schedune_testing.images import look, qcow2

BACKING_FORMAT, DATA_FILE = 0xE2792ACA, 0x44415441


def test_a_plain_qcow2_tells_its_virtual_size() -> None:
    for version in (2, 3):
        found = look(qcow2(size=5 * 2**30, version=version))
        assert (found.kind, found.format, found.refusal) == ("Disk", "Qcow2", "")
        assert found.virtual_size == 5 * 2**30


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (qcow2(backing=0x200), "a backing file"),
        (qcow2(version=2, backing=0x200), "a backing file"),
        (qcow2(extensions=[(BACKING_FORMAT, b"raw")]), "a backing file"),
        (qcow2(extensions=[(1, b"x" * 9), (DATA_FILE, b"/etc/shadow")]), "an external data file"),
        (qcow2(features=0b100), "an external data file"),
        (qcow2(features=0b10), "a mark that it is corrupt"),
        (qcow2(features=1 << 40), "unknown incompatible features 0x10000000000"),
        (qcow2(encryption=1), "encryption"),
        (qcow2(snapshots=1), "internal snapshots"),
        (qcow2(cluster_bits=63), "a cluster size that is not allowed"),
        (qcow2(size=2**60), f"a virtual size of {2**60} bytes, more than {MOST_VIRTUAL}"),
        (qcow2(extensions=[(7, b"x" * 8)] * 40), "more than 32 header extensions"),
        (qcow2(version=1), "QCOW version 1, only 2 and 3 are used"),
        (qcow2(version=9), "QCOW version 9, only 2 and 3 are used"),
    ],
)
def test_a_qcow2_that_does_not_stand_alone_is_refused_with_the_reason(
    spoilt: bytes, why: str
) -> None:
    found = look(spoilt)
    assert (found.kind, found.format) == ("Disk", "Qcow2")
    assert found.refusal == why


def test_all_that_stands_against_it_is_told() -> None:
    assert look(qcow2(backing=1, snapshots=2)).refusal == "a backing file, internal snapshots"


@pytest.mark.parametrize("length", range(4, 104))
def test_a_qcow2_that_is_cut_off_is_never_taken_for_one(length: int) -> None:
    found = look(qcow2()[:length])
    assert found.refusal
    assert found.kind == "Unknown"


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"vhdxfile" + bytes(4096), "Vhdx"),
        (b"conectix" + bytes(4096), "Vhd"),
        (bytes(4096) + b"conectix" + bytes(504), "Vhd"),
        (b"KDMV" + bytes(4096), "Vmdk"),
        (b"# Disk DescriptorFile\nversion=1\n", "Vmdk"),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(4096), "Vdi"),
        (b"QED\0" + bytes(4096), "Qed"),
    ],
)
def test_other_containers_are_never_taken_for_raw_disks(content: bytes, form: str) -> None:
    found = look(content)
    assert (found.kind, found.format, found.architecture) == ("Disk", form, "Unknown")


def test_a_firmware_volume_is_firmware() -> None:
    assert look(bytes(0x28) + b"_FVH" + bytes(4096)).kind == "Firmware"


def test_qemu_img_says_the_same_of_the_headers_that_we_make(tmp_path: Path) -> None:
    """Only where it is: the machine of the tests may have none."""
    program = shutil.which("qemu-img")
    if program is None:
        return
    image = tmp_path / "image"
    for arguments in (["-f", "qcow2"], ["-f", "qcow2", "-o", "compat=0.10"], ["-f", "vhdx"]):
        subprocess.run([program, "create", "-q", *arguments, image, "64M"], check=True)
        told = subprocess.run(
            [program, "info", "--output=json", image], capture_output=True, check=True
        )
        found = look(image.read_bytes())
        assert found.format.lower() == json.loads(told.stdout)["format"]
        assert found.virtual_size in (64 * 2**20, None)
        assert not found.refusal
