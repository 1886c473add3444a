"""The inventory on real files: what is wrong with one costs only that one."""

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Artifact, ArtifactKind, CapabilityState
from schedune.codes import probes as codes
from schedune_agent.probes import artifacts as inventory
from schedune_agent.probes import digests, image_roots, image_work
from schedune_agent.probes.artifacts import ArtifactProbe
from schedune_agent.probes.image_roots import ImageFile, key_of, list_roots, open_file
from schedune_testing.hung import hung
from schedune_testing.images import arm64_image, bzimage, cpio, elf, qcow2


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    (root / "kernel").write_bytes(bzimage())
    (root / "kernel-arm").write_bytes(arm64_image())
    (root / "initrd").write_bytes(cpio({"init": elf("amd64")}))
    (root / "disk").write_bytes(qcow2(size=2**30))
    return root


async def rounds(probe: ArtifactProbe, until: Callable[[dict[str, Artifact]], bool]) -> Any:
    """Let rounds pass until the inventory says that."""
    deadline = time.monotonic() + 30
    while True:
        found, hidden = await probe()
        named = {one.name: one for one in found}
        if until(named):
            return named, hidden
        assert time.monotonic() < deadline, named
        await asyncio.sleep(0.05)


def all_looked_at(named: dict[str, Artifact]) -> bool:
    return all(one.refusal != "not looked at yet" for one in named.values())


async def test_each_file_is_what_its_bytes_prove(images: Path) -> None:
    named, hidden = await rounds(ArtifactProbe([images]), all_looked_at)
    assert hidden == 0
    told = {name: (one.kind.value, one.format, one.architecture) for name, one in named.items()}
    assert told == {
        "disk": ("Disk", "Qcow2", "Unknown"),
        "initrd": ("Initrd", "Cpio", "amd64"),
        "kernel": ("Kernel", "BzImage", "amd64"),
        "kernel-arm": ("Kernel", "Image", "arm64"),
    }
    assert named["disk"].virtual_size_bytes == 2**30
    assert "xloadflags 0x1 at 0x236" in named["kernel"].evidence


async def test_what_is_no_regular_file_says_so_and_hides_no_other(images: Path) -> None:
    os.mkfifo(images / "fifo")
    (images / "folder").mkdir()
    (images / "link").symlink_to(images / "kernel")
    (images / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(images / "socket"))
    named, _ = await rounds(ArtifactProbe([images]), all_looked_at)
    refusals = {name: one.refusal for name, one in named.items() if one.refusal}
    assert refusals == {
        "dangling": "a symbolic link; links are not followed",
        "fifo": "a FIFO",
        "folder": "a folder",
        "link": "a symbolic link; links are not followed",
        "socket": "a socket",
    }
    assert all(named[name].kind is ArtifactKind.UNKNOWN for name in refusals)
    assert named["kernel"].architecture == "amd64"


async def test_a_device_node_is_not_opened(images: Path) -> None:
    try:
        os.mknod(images / "device", 0o020600, os.makedev(1, 3))
    except PermissionError:
        return  # a container without the right to make them has none either
    named, _ = await rounds(ArtifactProbe([images]), all_looked_at)
    assert named["device"].refusal == "a character device"


async def test_a_root_that_is_missing_is_told_and_the_others_are_complete(images: Path) -> None:
    probe = ArtifactProbe([images.parent / "absent", images])
    named, hidden = await rounds(probe, all_looked_at)
    assert (len(named), hidden) == (4, 0)
    missing = str(images.parent / "absent")
    assert probe.judge_roots() == (
        CapabilityState.UNSUPPORTED, codes.CAP_IMAGE_ROOT_MISSING, missing,
    )  # fmt: skip


async def test_a_root_that_is_a_fifo_leaves_the_inventory_incomplete(images: Path) -> None:
    os.mkfifo(images.parent / "fifo")
    probe = ArtifactProbe([images.parent / "fifo", images])
    named, hidden = await rounds(probe, all_looked_at)
    assert (len(named), hidden) == (4, 1)
    state, row, seen = probe.judge_roots()
    assert (state, row) == (CapabilityState.UNKNOWN, codes.CAP_IMAGE_ROOT_UNREADABLE)
    assert "fifo: Not a directory" in seen


async def test_roots_that_were_all_listed_say_so(images: Path) -> None:
    probe = ArtifactProbe([images])
    await probe()
    assert probe.judge_roots()[:2] == (CapabilityState.SUPPORTED, codes.CAP_IMAGES_LISTED)


async def test_sixty_four_files_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(70):
        (tmp_path / f"kernel{number:02}").write_bytes(bzimage())
    (tmp_path / "a-folder").mkdir()
    named, hidden = await rounds(ArtifactProbe([tmp_path]), all_looked_at)
    assert (len(named), hidden) == (64, 6)
    assert {one.kind for one in named.values()} == {ArtifactKind.KERNEL}


async def test_a_file_is_looked_at_once_and_again_when_it_changed(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def counted(work: Any, files: Sequence[ImageFile], *rest: Any) -> None:
        looked.extend(one.path.name for one in files if work == "look")
        await image_work.work_on(work, files, *rest)

    monkeypatch.setattr(inventory, "work_on", counted)
    probe = ArtifactProbe([images])
    await rounds(probe, all_looked_at)
    await probe()
    assert sorted(looked) == ["disk", "initrd", "kernel", "kernel-arm"]
    (images / "kernel").write_bytes(bzimage(flags=0) + b"longer")
    named, _ = await rounds(probe, all_looked_at)
    assert looked[4:] == ["kernel"]
    assert named["kernel"].architecture == "386"
    (images / "kernel").unlink()
    assert "kernel" not in (await rounds(probe, all_looked_at))[0]


async def test_a_digest_is_published_once_it_is_computed_and_follows_the_content(
    images: Path,
) -> None:
    probe = ArtifactProbe([images])
    first, _ = await rounds(probe, all_looked_at)
    assert all(one.sha256 or one.sha256_missing == "NotComputedYet" for one in first.values())
    named, _ = await rounds(probe, lambda named: all(one.sha256 for one in named.values()))
    for name, one in named.items():
        assert one.sha256 == hashlib.sha256((images / name).read_bytes()).hexdigest()
        assert one.sha256_missing is None
    (images / "disk").write_bytes(qcow2(size=2**31))
    fresh, _ = await probe()
    assert {one.name: one for one in fresh}["disk"].sha256 is None
    named, _ = await rounds(probe, lambda named: named["disk"].sha256 is not None)
    assert named["disk"].sha256 == hashlib.sha256((images / "disk").read_bytes()).hexdigest()


async def test_large_files_wait_until_they_rest_and_huge_ones_get_no_digest(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SMALL_BYTES", 3000)
    monkeypatch.setattr(digests, "MOST_BYTES", 100_000)
    (images / "huge").write_bytes(bytes(100_001))
    asked: list[list[str]] = []

    async def noted(work: Any, files: Sequence[ImageFile], *rest: Any) -> None:
        asked.append([one.path.name for one in files])
        await image_work.work_on(work, files, *rest)

    monkeypatch.setattr(digests, "work_on", noted)
    probe = ArtifactProbe([images])
    named, _ = await rounds(
        probe, lambda named: all(one.sha256 for name, one in named.items() if name != "huge")
    )
    assert asked == [["initrd", "kernel"], ["kernel-arm"], ["disk"]]
    assert named["huge"].sha256_missing == "TooLarge"


CHILD = """
import json, os, signal, sys, time
for number in sys.argv[3:]:
    content = os.pread(int(number), 64, 0)
    if content.startswith(b"KILL"):
        os.kill(os.getpid(), signal.SIGXCPU)
    if content.startswith(b"SLEEP"):
        time.sleep(60)
    if content.startswith(b"FLOOD"):
        sys.stdout.write("x" * 2**22)
    if content.startswith(b"LIE"):
        print(content[3:].rstrip(b"\\0").decode(), flush=True)
        continue
    found = {"kind": "Disk", "format": "Raw", "architecture": "Unknown",
             "evidence": "seen", "refusal": "", "virtualSize": None, "memory": None}
    print(json.dumps(found), flush=True)
"""


@pytest.fixture
def weak_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that dies of what it reads, as one with a fault in it would."""
    program = tmp_path / "child.py"
    program.write_text(CHILD)
    monkeypatch.setattr(image_work, "_CHILD", program)


@pytest.mark.usefixtures("weak_child")
async def test_a_file_that_ends_its_child_costs_only_itself(images: Path) -> None:
    (images / "e-hostile").write_bytes(b"KILL")
    (images / "j-hostile").write_bytes(b"KILL again")
    found, _ = await ArtifactProbe([images], patience_s=30)()
    named = {one.name: one for one in found}
    refused = {name: one.refusal for name, one in named.items() if one.refusal}
    why = "takes more processor time than one file may"
    assert refused == {"e-hostile": why, "j-hostile": why}
    assert {one.evidence for name, one in named.items() if name not in refused} == {"seen"}


@pytest.mark.usefixtures("weak_child")
async def test_a_file_that_hangs_its_child_delays_no_round(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "_LOOK_S", 1)
    monkeypatch.setattr(image_work, "_GRACE_S", 0.0)
    (images / "z-hostile").write_bytes(b"SLEEP")
    probe = ArtifactProbe([images], patience_s=0.05)
    started = time.monotonic()
    named = {one.name: one for one in (await probe())[0]}
    assert time.monotonic() - started < 0.9
    assert named["z-hostile"].refusal == "not looked at yet"
    named, _ = await rounds(probe, all_looked_at)
    assert named["z-hostile"].refusal == "not done with it after 1 s"
    assert named["kernel"].evidence == "seen"


@pytest.mark.usefixtures("weak_child")
@pytest.mark.parametrize("lie", ["{}", '{"kind": "Nonsense", "format": 7}', '{"kind": [1]}'])
async def test_a_child_that_answers_nonsense_costs_only_its_file(images: Path, lie: str) -> None:
    (images / "hostile").write_bytes(b"LIE" + lie.encode())
    named, _ = await rounds(
        ArtifactProbe([images]), lambda named: named["hostile"].sha256_missing == "Unreadable"
    )
    assert named["hostile"].refusal == "the child that looked at it answered nonsense"
    assert named["kernel"].evidence == "seen"


@pytest.mark.usefixtures("weak_child")
async def test_a_child_that_floods_is_bounded_and_costs_only_its_file(images: Path) -> None:
    (images / "a-hostile").write_bytes(b"FLOOD")
    named, _ = await rounds(ArtifactProbe([images]), all_looked_at)
    assert named["a-hostile"].refusal is not None
    assert {one.evidence for name, one in named.items() if name != "a-hostile"} == {"seen"}


@pytest.mark.usefixtures("weak_child")
async def test_a_file_that_ends_its_child_is_tried_again_ever_more_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "_RETRY_ROUNDS", 2)
    root = tmp_path / "one"
    root.mkdir()
    (root / "hostile").write_bytes(b"KILL")
    tried: list[int] = []
    passed: list[int] = []

    async def noted(work: Any, files: Sequence[ImageFile], *rest: Any) -> None:
        tried.append(len(passed))
        await image_work.work_on(work, files, *rest)

    monkeypatch.setattr(inventory, "work_on", noted)
    probe = ArtifactProbe([root], patience_s=20)
    for number in range(16):
        await probe()
        passed.append(number)
    assert tried == [0, 2, 6, 14]


@pytest.mark.usefixtures("weak_child")
async def test_a_file_that_could_not_be_read_for_a_moment_is_read_in_the_next_round(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: ImageFile) -> int:
        raise PermissionError(13, "Permission denied")

    probe = ArtifactProbe([images])
    with monkeypatch.context() as patched:
        patched.setattr(image_work, "open_file", refuse)
        named, _ = await rounds(probe, all_looked_at)
    assert {one.refusal for one in named.values()} == {"cannot be opened: Permission denied"}
    named, _ = await rounds(probe, all_looked_at)
    assert named["kernel"].evidence == "seen"


async def test_a_root_that_hangs_keeps_what_is_known_of_it_and_the_others_are_seen(
    images: Path, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "far").write_bytes(qcow2(size=2**30))
    probe = ArtifactProbe([remote, images], patience_s=0.1)
    known, hidden = await rounds(probe, all_digested)
    assert (len(known), hidden) == (5, 0)
    before = threading.active_count()
    with hung(remote):
        (images / "new").write_bytes(arm64_image())
        named, hidden = await rounds(
            probe,
            lambda named: (
                "new" in named
                and named["new"].sha256 is not None
                and probe.judge_roots()[0] is CapabilityState.UNKNOWN
            ),
        )
        assert hidden == 1
        assert named["far"] == known["far"]
        state, row, told = probe.judge_roots()
        assert (state, row) == (CapabilityState.UNKNOWN, codes.CAP_IMAGE_ROOT_UNREADABLE)
        assert told == f"{remote}: no answer"
        await rounds(probe, lambda _: threading.active_count() <= before + 1)
    (remote / "far").unlink()
    named, hidden = await rounds(probe, lambda named: "far" not in named)
    assert hidden == 0


async def test_a_file_that_hangs_when_it_is_opened_keeps_no_other_root_from_being_looked_at(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, release = tmp_path / "remote", threading.Event()
    remote.mkdir()
    (remote / "far").write_bytes(qcow2(size=2**30))
    opens = image_work.open_file

    def hang(file: ImageFile) -> int:
        if file.path.parent == remote:
            release.wait(30)
        return opens(file)

    monkeypatch.setattr(image_work, "open_file", hang)
    probe = ArtifactProbe([remote, images], patience_s=0.1)
    named, _ = await rounds(probe, lambda named: named["kernel"].sha256 is not None)
    assert named["far"].refusal == "not looked at yet"
    release.set()
    await rounds(probe, all_digested)


def all_digested(named: dict[str, Artifact]) -> bool:
    return all(one.sha256 is not None for one in named.values())


def test_a_file_that_was_exchanged_behind_the_listing_is_not_opened(images: Path) -> None:
    path = images / "kernel"
    listed = ImageFile(path, key_of(path.stat()))
    os.close(open_file(listed))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="changed while"):
        open_file(listed)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        open_file(listed)


def test_a_root_with_too_many_names_is_not_called_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_roots, "MOST_ENTRIES", 3)
    for number in range(4):
        (tmp_path / f"f{number}").touch()
    listing = list_roots([tmp_path])
    assert len(listing.files) == 3
    assert listing.unreadable == (f"{tmp_path}: more than 3 names",)
