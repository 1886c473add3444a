"""Whatever the bytes are: an answer, never an exception, and never more work than allowed."""

import gzip
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedune.evidence.findings import MOST_TEXT, ImageEvidence
from schedune.evidence.images import inspect_image
from schedune.evidence.window import MOST_READ, MOST_READS, Budget, ImageError, Window
from schedune_agent.probes.streams import open_stream
from schedune_testing.filesystems import ExtMaker, fat
from schedune_testing.images import (
    ESP_TYPE,
    LINUX_TYPE,
    arm64_image,
    bzimage,
    cpio,
    elf,
    gpt,
    look,
    pe,
    qcow2,
    with_pe,
    zboot,
)


def ext() -> bytes:
    made = ExtMaker(extents=True)
    made.put("/bin/busybox", elf("arm64"))
    made.link("/bin/sh", "busybox")
    return made.make()


CORPUS = {
    "bzImage": with_pe(bzimage(payload=gzip.compress(elf(kernel=True))), "amd64"),
    "Image": with_pe(arm64_image(), "arm64"),
    "zboot": zboot(gzip.compress(arm64_image())),
    "elf": elf(pvh=True),
    "pe": pe(),
    "initramfs": cpio({"init": elf()}) + bytes(64) + gzip.compress(cpio({"sh": elf()})),
    "qcow2": qcow2(extensions=[(1, b"x")])[:200],
    "ext": ext(),
    "disk": gpt([(ESP_TYPE, fat({"BOOTAA64.EFI": pe("arm64")})), (LINUX_TYPE, ext())]),
    "gz": gzip.compress(cpio({"init": elf("arm64")})),
}
SMALL = [name for name, content in CORPUS.items() if len(content) < 3000]


def check(content: bytes) -> ImageEvidence:
    """Look with reads that are counted, and see that the answer fits the API."""
    taken = [0, 0]

    def read(offset: int, length: int) -> bytes:
        assert offset >= 0
        assert offset + length <= len(content)
        taken[0] += length
        taken[1] += 1
        return content[offset : offset + length]

    found = inspect_image(Window(read, len(content)), open_stream)
    assert taken[0] <= MOST_READ
    assert taken[1] <= MOST_READS
    assert len(found.text) <= MOST_TEXT
    assert len(found.refusal) <= 256
    assert len(found.format) <= 32
    assert found.text.isprintable()
    assert found.refusal.isprintable()
    return found


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus_is_understood_whole(name: str) -> None:
    found = check(CORPUS[name])
    assert not found.refusal
    assert found.architecture in ("amd64", "arm64", "Unknown" if name == "qcow2" else "")


@pytest.mark.parametrize("name", SMALL)
def test_cut_off_at_every_byte_it_proves_the_same_or_nothing(name: str) -> None:
    whole = look(CORPUS[name]).architecture
    for length in range(len(CORPUS[name])):
        assert check(CORPUS[name][:length]).architecture in (whole, "Unknown")


@pytest.mark.parametrize("name", CORPUS)
def test_cut_off_here_and_there_it_is_still_answered(name: str) -> None:
    content = CORPUS[name]
    for length in range(0, len(content), max(1, len(content) // 200)):
        check(content[:length])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_spoilt_in_any_bytes_it_is_still_answered(data: st.DataObject) -> None:
    content = bytearray(CORPUS[data.draw(st.sampled_from(sorted(CORPUS)))])
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are where pointers are: half of the spoilt bytes hit the first 4 KiB.
        reach = data.draw(st.sampled_from([min(4096, len(content)), len(content)]))
        at = data.draw(st.integers(0, reach - 1))
        value = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(value)] = value[: len(content) - at]
    check(bytes(content))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([content[:64] for content in CORPUS.values()] + [b""]),
    st.binary(max_size=6000),
)
def test_random_bytes_behind_a_known_beginning_are_answered(head: bytes, rest: bytes) -> None:
    check(head + rest)


def test_an_extent_tree_that_points_at_itself_ends() -> None:
    content = bytearray(ext())
    node = b"\x0a\xf3\x01\x00\x04\x00\x02\x00" + bytes(4)
    at = content.index(b"\x0a\xf3\x01\x00\x04\x00\x00\x00")
    block = 30
    entry = bytes(4) + block.to_bytes(4, "little") + bytes(4)
    content[at : at + 24] = node + entry
    content.extend(bytes(max(0, (block + 1) * 1024 - len(content))))
    content[block * 1024 : block * 1024 + 24] = node + entry
    assert check(bytes(content)).architecture == "Unknown"


def test_a_fat_whose_chain_is_a_circle_ends() -> None:
    content = bytearray(fat({"BOOTX64.EFI": pe()}))
    content[512:608] = bytes([2, 0x20, 0]) * 32
    check(gpt([(ESP_TYPE, bytes(content))]))


def test_a_fat_whose_chain_is_a_circle_behind_its_end_ends() -> None:
    """No byte comes of such a cluster, so only the number of clusters can end it."""
    content = bytearray(fat({"BOOTX64.EFI": pe()}))
    outside = 60
    content[512:608] = (outside | outside << 12).to_bytes(3, "little") * 32
    at = content.index(b"EFI        ")
    content[at + 26] = outside
    found = check(gpt([(ESP_TYPE, bytes(content[: 10 * 512]))]))
    assert "more would have to be read" not in found.text


def test_reads_are_counted_over_all_parts_of_a_window() -> None:
    window = Window(lambda offset, length: bytes(length), 2**40, budget=Budget(100, 3))
    window.part(5).read(0, 60)
    with pytest.raises(ImageError, match="more would have to be read"):
        window.part(2**30).read(0, 41)
    window.peek(0, 1)
    window.peek(0, 1)
    with pytest.raises(ImageError, match="more would have to be read"):
        window.peek(0, 1)


def test_a_disk_that_cannot_be_read_is_told() -> None:
    def fail(offset: int, length: int) -> bytes:
        raise OSError(5, "Input/output error")

    found = inspect_image(Window(fail, 4096), open_stream)
    assert found.kind == "Unknown"
    assert "Input/output error" in found.refusal


def test_a_file_that_claims_the_whole_address_space_costs_a_few_reads() -> None:
    """A sparse file of 8 EiB: its size is no reason to read it."""
    reads = 0

    def zeros(offset: int, length: int) -> bytes:
        nonlocal reads
        reads += 1
        return bytes(length)

    found = inspect_image(Window(zeros, 2**63 - 1), open_stream)
    assert cast("str", found.kind) == "Disk"
    assert reads < 100
