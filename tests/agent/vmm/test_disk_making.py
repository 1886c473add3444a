"""What a VM writes is made whole or not at all, by whatever its VMM needs, and given up at once."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import LaunchDisk
from schedune.api.vmworkload import Backend, DiskAccess
from schedune_agent.system.child import ChildResult
from schedune_agent.system.patience import LaterError, Patience
from schedune_agent.vmm import disk_making
from schedune_agent.vmm.disk_files import DiskError
from schedune_agent.vmm.disk_making import CopyTurns, DiskMaker, Wanted
from schedune_agent.vmm.port import DiskFiles, Firmware
from schedune_agent.vmm.qemu.overlay import empty_image
from schedune_testing.hung import hung

PATIENCE_S = 30.0
BACKENDS = pytest.mark.parametrize("backend", [Backend.QEMU, Backend.CLOUD_HYPERVISOR])


class Own:
    """The Ephemeral disk of one VM."""

    def __init__(self, top: Path) -> None:
        self.folder, self.image = top / "vm", top / "images/image"
        self.image.parent.mkdir()

    def files(
        self, form: str = "Raw", size: str | None = None, access: str = "Ephemeral"
    ) -> DiskFiles:
        told = {"name": "root", "format": form, "access": access, "emptySize": size}
        source = None if size else self.image
        return DiskFiles(LaunchDisk.model_validate(told), source, self.folder / "root.img")

    def wanted(
        self, files: DiskFiles, backend: Backend, firmware: Firmware | None = None
    ) -> Wanted:
        return Wanted([files], firmware, backend, "default", self.folder)

    async def make(self, wanted: Wanted, look_s: float = PATIENCE_S) -> None:
        maker, deadline = DiskMaker(Patience(look_s), CopyTurns()), time.monotonic() + PATIENCE_S
        while not await maker.are_ready(wanted):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    def everything(self) -> list[str]:
        return sorted(one.name for one in self.folder.rglob("*"))


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


@BACKENDS
async def test_a_disk_is_kept_once_it_is_made_and_none_is_made_for_one_only_read(
    own: Own, backend: Backend
) -> None:
    files = own.files(size="1Mi")
    await own.make(own.wanted(files, backend))
    files.overlay.write_bytes(b"what the guest wrote")
    await own.make(own.wanted(files, backend))
    assert files.overlay.read_bytes() == b"what the guest wrote"
    files.overlay.unlink()
    await own.make(own.wanted(own.files(access=DiskAccess.READ_ONLY), backend))
    assert own.everything() == []


async def test_a_vmm_with_overlays_gets_one_of_the_size_of_its_image(own: Own) -> None:
    own.image.write_bytes(b"x" * 1000)
    files = own.files()
    await own.make(own.wanted(files, Backend.QEMU))
    assert files.overlay.read_bytes() == empty_image(1024)


async def test_a_vmm_without_them_gets_a_copy_or_one_hole(own: Own) -> None:
    own.image.write_bytes(b"x" * 1000)
    files = own.files()
    await own.make(own.wanted(files, Backend.CLOUD_HYPERVISOR))
    assert files.overlay.read_bytes() == b"x" * 1000 + bytes(24)
    files.overlay.unlink()
    await own.make(own.wanted(own.files("Qcow2", "1Ti"), Backend.CLOUD_HYPERVISOR))
    status = files.overlay.stat()
    assert (status.st_size, status.st_blocks, status.st_mode & 0o777) == (2**40, 0, 0o600)
    assert own.everything() == ["root.img"]


@BACKENDS
@pytest.mark.parametrize(
    ("form", "content", "why"),
    [("Qcow2", b"no header", "is no qcow2"), ("Raw", None, "No such file")],
)
async def test_an_artefact_that_is_no_qcow2_or_gone_is_named_with_its_disk(
    own: Own, backend: Backend, form: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        own.image.write_bytes(content)
    with pytest.raises(DiskError, match=f"root: .*{why}"):
        await own.make(own.wanted(own.files(form), backend))
    assert own.everything() == []


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_only_a_regular_file_is_copied(own: Own, kind: str) -> None:
    own.image.mkdir() if kind == "folder" else os.mkfifo(own.image)
    with pytest.raises(DiskError, match="no regular file"):
        await own.make(own.wanted(own.files(), Backend.CLOUD_HYPERVISOR))
    assert own.everything() == []


async def test_what_was_there_and_comes_from_nothing_is_not_made_as_an_empty_disk(
    own: Own,
) -> None:
    files = DiskFiles(own.files().disk, None, own.folder / "root.img")
    with pytest.raises(DiskError, match="it was there a moment ago"):
        await own.make(own.wanted(files, Backend.CLOUD_HYPERVISOR))
    assert own.everything() == []


async def test_a_copy_goes_on_beside_others_and_leaves_nothing_when_it_is_given_up(
    own: Own, slow_copy: None
) -> None:
    own.image.write_bytes(b"x")
    maker = DiskMaker(Patience(), CopyTurns())
    wanted = own.wanted(own.files(), Backend.CLOUD_HYPERVISOR)
    began = time.monotonic()
    assert not await maker.are_ready(wanted)
    assert not await maker.are_ready(wanted)
    assert time.monotonic() - began < 10
    await until(lambda: own.everything() != [])
    assert not maker.is_idle
    maker.give_up()
    await asyncio.sleep(0)
    maker.give_up()
    await asyncio.wait_for(maker.wait(), 10)
    assert maker.is_idle
    assert own.everything() == []


async def test_few_disks_are_copied_at_once_of_one_root_and_those_of_another_go_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = Counter[Path](), Counter[Path]()

    async def copied(argv: Sequence[str], **_: Any) -> ChildResult:
        root = Path(argv[6]).parent.parent
        running[root] += 1
        most[root] = max(most[root], running[root])
        await asyncio.sleep(0.05)
        running[root] -= 1
        Path(argv[6]).write_bytes(b"x")
        return ChildResult(0, b"", b"")

    monkeypatch.setattr(disk_making, "run_child", copied)
    turns, both = CopyTurns(2), list[tuple[DiskMaker, Wanted]]()
    for root in (tmp_path / "a", tmp_path / "b"):
        root.mkdir()
        one = Own(root)
        one.image.write_bytes(b"x")
        for number in range(5):
            one.folder = root / f"vm{number}"
            wanted = one.wanted(one.files(), Backend.CLOUD_HYPERVISOR)
            both.append((DiskMaker(Patience(), turns), wanted))
    deadline = time.monotonic() + PATIENCE_S
    while not all(await asyncio.gather(*(maker.are_ready(wanted) for maker, wanted in both))):
        assert time.monotonic() < deadline
    assert most == {tmp_path / "a": 2, tmp_path / "b": 2}


@BACKENDS
async def test_an_image_that_hangs_is_named_and_nothing_is_half_made(
    own: Own, backend: Backend
) -> None:
    with hung(own.image.parent):
        with pytest.raises(LaterError, match=f"the image root {own.image.parent}: no answer"):
            await own.make(own.wanted(own.files(), backend), look_s=0.2)
        assert own.everything() == []
    own.image.write_bytes(b"x")
    await own.make(own.wanted(own.files(), backend))
    assert own.everything() == ["root.img"]


async def test_variables_are_kept_once_they_are_made_and_a_store_too_large_is_named(
    own: Own,
) -> None:
    template, store = own.image.with_name("VARS.fd"), own.folder / "vars.fd"
    template.write_bytes(b"empty")
    firmware = Firmware(own.image.with_name("CODE.fd"), template, store)
    wanted = own.wanted(own.files(access="ReadOnly"), Backend.QEMU, firmware)
    await own.make(wanted)
    assert store.read_bytes() == b"empty"
    store.write_bytes(b"what the firmware wrote")
    await own.make(wanted)
    assert store.read_bytes() == b"what the firmware wrote"
    store.unlink()
    with template.open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(DiskError, match=r"variables of CODE\.fd: .* is larger than"):
        await own.make(wanted)
    assert not store.exists()


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
def slow_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each copy take so long as that of a large image does."""
    child = tmp_path / "slow_child.py"
    child.write_text("import sys, time\nopen(sys.argv[2], 'w').close()\ntime.sleep(60)\n")
    monkeypatch.setattr(disk_making, "_CHILD", child)
