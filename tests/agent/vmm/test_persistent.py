"""Persistent disks on real files: made once and whole, refused if not ours, never made anew."""

import asyncio
import fcntl
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schedune.api.vmplacement import LaunchDisk, VMPlacement
from schedune.api.vmworkload import Backend
from schedune_agent.probes.persistent_disks import PersistentDiskFamily
from schedune_agent.system.patience import Patience
from schedune_agent.vmm import disk_making
from schedune_agent.vmm.disk_files import DiskError
from schedune_agent.vmm.disk_making import CopyTurns, DiskMaker, Wanted
from schedune_agent.vmm.persistent import persistent_file, remove_disks
from schedune_agent.vmm.port import DiskFiles, PlanError
from schedune_agent.vmm.qemu.overlay import empty_image

NAMESPACE = "default"
PATIENCE_S = 30.0
NewPlacement = Callable[..., VMPlacement]


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


class Disks:
    """A node's state directory, and a workload whose disk is called root."""

    def __init__(self, folder: Path, placement: VMPlacement) -> None:
        self.state, self.scratch, self.image = folder / "state", folder / "scratch", folder / "img"
        workload = placement.spec.workload.model_copy(update={"namespace_uid": "ns-uid"})
        spec = placement.spec.model_copy(update={"workload": workload})
        self.placement = placement.model_copy(update={"spec": spec})

    def files(self, form: str = "Raw", size: str | None = None) -> DiskFiles:
        told = {"name": "root", "format": form, "access": "Persistent", "emptySize": size}
        path = persistent_file(self.state, self.placement, "root", form)
        return DiskFiles(LaunchDisk.model_validate(told), None if size else self.image, path)

    async def make(self, files: DiskFiles, namespace: str = NAMESPACE) -> Path:
        maker = DiskMaker(Patience(), CopyTurns())
        deadline = time.monotonic() + PATIENCE_S
        while not await maker.are_ready(self.wanted(files, namespace)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)
        return files.overlay

    def wanted(self, files: DiskFiles, namespace: str = NAMESPACE) -> Wanted:
        return Wanted([files], None, Backend.CLOUD_HYPERVISOR, namespace, self.scratch)

    async def refusal(self, files: DiskFiles, namespace: str = NAMESPACE) -> tuple[str, str]:
        with pytest.raises(DiskError) as refused:
            await self.make(files, namespace)
        assert refused.value.row.remedy
        return refused.value.row.code, str(refused.value)

    def everything(self) -> set[str]:
        both = (*self.state.rglob("*"), *self.scratch.rglob("*"))
        return {one.name for one in both if one.is_file()}


@pytest.fixture
def disks(tmp_path: Path, new_placement: NewPlacement) -> Disks:
    return Disks(tmp_path, new_placement())


async def test_a_raw_artefact_becomes_a_raw_file_of_whole_sectors_and_its_holes_stay_holes(
    disks: Disks,
) -> None:
    with disks.image.open("wb") as image:
        image.write(b"begins")
        image.seek(512 * 2**20)
        image.write(b"ends")
    made = await disks.make(disks.files())
    assert made == disks.state / "disks/ns-uid/vm-1111/root.raw"
    assert made.stat().st_size == 512 * 2**20 + 512
    assert made.stat().st_blocks * 512 < 2**20
    with made.open("rb") as copy:
        assert copy.read(6) == b"begins"
        copy.seek(512 * 2**20)
        assert copy.read().rstrip(b"\0") == b"ends"
    assert json.loads((disks.state / "disks/ns-uid/owner.json").read_bytes()) == {
        "namespace": NAMESPACE
    }
    assert disks.everything() == {"root.raw", "owner.json"}


async def test_a_qcow2_artefact_stays_a_qcow2_and_an_empty_disk_is_of_the_format_asked_for(
    disks: Disks,
) -> None:
    disks.image.write_bytes(empty_image(2**30))
    copy = await disks.make(disks.files("Qcow2"))
    assert copy.read_bytes() == disks.image.read_bytes()
    copy.unlink()
    assert (await disks.make(disks.files("Qcow2", "1Gi"))).read_bytes() == empty_image(2**30)
    (disks.state / "disks/ns-uid/vm-1111/root.qcow2").unlink()
    raw = await disks.make(disks.files("Raw", "1000"))
    assert raw.read_bytes() == bytes(1024)


async def test_the_node_lists_what_was_made_and_finds_nothing_strange(disks: Disks) -> None:
    await disks.make(disks.files("Qcow2", "1Gi"))
    part = await PersistentDiskFamily(disks.state)()
    (fact,) = part.facts["persistent_disks"]
    told = (fact.namespace, fact.namespace_uid, fact.workload, fact.disk, fact.size_bytes)
    assert told == (NAMESPACE, "ns-uid", "vm-1111", "root", 2**30)
    assert part.answers[0].row.code == "CAP_DISKS_LISTED"


async def test_a_disk_that_is_there_is_never_made_anew(disks: Disks) -> None:
    made = await disks.make(disks.files("Raw", "1Mi"))
    made.write_bytes(b"what the guest wrote")
    disks.image.write_bytes(b"another content")
    assert (await disks.make(disks.files())).read_bytes() == b"what the guest wrote"


async def test_a_copy_does_not_hold_up_other_placements_and_given_up_it_leaves_nothing(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks.image.write_bytes(os.urandom(64 * 2**20))
    making = DiskMaker(Patience(), CopyTurns())
    monkeypatch.setattr(disk_making, "_MOMENT_S", 0.0)
    assert not await making.are_ready(disks.wanted(disks.files()))
    await until(lambda: disks.scratch.exists() and bool(list(disks.scratch.iterdir())))
    making.give_up()
    await until(lambda: making.is_idle)
    assert disks.everything() == {"owner.json"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no header", "is no qcow2 image"),
        (empty_image(2**30)[:8] + struct.pack(">Q", 512) + bytes(4096), "a backing file"),
    ],
)
async def test_a_qcow2_artefact_that_does_not_stand_alone_is_not_copied(
    disks: Disks, content: bytes, why: str
) -> None:
    disks.image.write_bytes(content)
    code, told = await disks.refusal(disks.files("Qcow2"))
    assert code == "ERR_EXEC_DISK_NOT_MADE"
    assert why in told
    assert disks.everything() == {"owner.json"}


async def test_a_full_disk_leaves_no_half_made_one(disks: Disks, full_disk: Callable) -> None:
    disks.image.write_bytes(b"x" * 4096)
    await disks.make(disks.files("Qcow2", "1Gi"))  # owner.json is there
    (disks.state / "disks/ns-uid/vm-1111/root.qcow2").unlink()
    with full_disk():
        code, _ = await disks.refusal(disks.files())
    assert code == "ERR_EXEC_DISK_NOT_MADE"
    assert disks.everything() == {"owner.json"}


@pytest.mark.parametrize("said", [b'{"namespace": "another"}', b"{", b"[]"])
async def test_a_disk_beside_which_another_owner_is_named_is_refused(
    disks: Disks, said: bytes
) -> None:
    made = await disks.make(disks.files("Raw", "1Mi"))
    (disks.state / "disks/ns-uid/owner.json").write_bytes(said)
    code, told = await disks.refusal(disks.files("Raw", "1Mi"))
    assert code == "ERR_EXEC_DISK_OF_ANOTHER"
    assert "owner.json" in told
    assert made.exists()
    made.unlink()
    assert (await disks.refusal(disks.files("Raw", "1Mi")))[0] == "ERR_EXEC_DISK_OF_ANOTHER"
    assert not made.exists()


async def test_a_disk_of_another_format_is_neither_used_nor_made_beside_it(disks: Disks) -> None:
    await disks.make(disks.files("Raw", "1Mi"))
    code, told = await disks.refusal(disks.files("Qcow2", "1Mi"))
    assert code == "ERR_EXEC_DISK_FORMAT_CHANGED"
    assert "root.raw is there, format: Qcow2" in told
    assert disks.everything() == {"root.raw", "owner.json"}


async def test_what_stands_in_the_place_of_a_disk_and_is_none_is_refused(disks: Disks) -> None:
    made = await disks.make(disks.files("Qcow2", "1Mi"))
    made.write_bytes(b"garbage")
    assert (await disks.refusal(disks.files("Qcow2", "1Mi")))[0] == "ERR_EXEC_DISK_UNUSABLE"
    made.unlink()
    made.symlink_to("/etc/passwd")
    assert (await disks.refusal(disks.files("Qcow2", "1Mi")))[0] == "ERR_EXEC_DISK_UNUSABLE"


@pytest.mark.parametrize("kind", [fcntl.F_RDLCK, fcntl.F_WRLCK])
async def test_a_disk_that_another_process_uses_is_refused_and_not_removed(
    disks: Disks, kind: int
) -> None:
    made = await disks.make(disks.files("Raw", "1Mi"))
    with made.open("r+b") as held:
        lock = struct.pack("@hhqqi4x", kind, os.SEEK_SET, 100, 1, 0)
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, lock)
        code, told = await disks.refusal(disks.files("Raw", "1Mi"))
        assert code == "ERR_EXEC_DISK_IN_USE"
        assert str(made) in told
        assert not remove_disks(disks.state, disks.placement, ["root"])
    assert await disks.make(disks.files("Raw", "1Mi")) == made
    assert remove_disks(disks.state, disks.placement, ["root"])
    assert not made.exists()
    assert remove_disks(disks.state, disks.placement, ["root"])


def test_a_placement_that_does_not_say_whose_disk_it_is_can_not_be_written_down(
    disks: Disks, new_placement: NewPlacement
) -> None:
    with pytest.raises(PlanError, match="namespaceUID"):
        persistent_file(disks.state, new_placement(), "root", "Raw")
    for name in ("../root", "a/b", ""):
        with pytest.raises(PlanError, match="no file"):
            persistent_file(disks.state, disks.placement, name, "Raw")


async def test_a_copy_that_takes_too_long_is_given_up(
    disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks.image.write_bytes(bytes(512))
    monkeypatch.setattr(disk_making, "_LEAST_S", 0.0)
    code, told = await disks.refusal(disks.files())
    assert code == "ERR_EXEC_DISK_NOT_MADE"
    assert "not done within 0 s" in told
    assert disks.everything() == {"owner.json"}
