"""What changed between placement and launch is refused with its code, before anything starts."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Artifact, NodeTruthStatus
from schedune.api.scheduling_policy import VersionFloor
from schedune.api.vmplacement import AcceptedVersions, PlacementState
from schedune.api.vmworkload import Backend
from schedune_agent import boot_files
from schedune_agent.boot_files import BootFiles
from schedune_agent.system import processes
from schedune_agent.system.patience import Patience
from schedune_testing.images import cpio, elf
from schedune_testing.vms import World

NewWorld = Callable[..., Any]
Swap = Callable[[Path, Path], None]
S = PlacementState
STILL: dict[str, Any] = {"kernel": {"artifact": "booted"}, "initrd": None, "commandLine": None}


def exchange(images: Path, booted: Path) -> None:
    """Put an older file in its place, as ``mv`` does: its time of change says nothing."""
    shutil.copy2(images / "foreign", images / "new")
    os.utime(images / "new", (1, 1))
    (images / "new").replace(booted)


def become_a_folder(_images: Path, booted: Path) -> None:
    booted.unlink()
    booted.mkdir()


def become_a_link(images: Path, booted: Path) -> None:
    booted.unlink()
    booted.symlink_to(images / "still")


SWAPS: dict[str, tuple[Swap, str]] = {
    "exchanged": (exchange, "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH"),
    "gone": (lambda _, booted: booted.unlink(), "REJECT_ARTIFACT_MISSING"),
    "a folder": (become_a_folder, "REJECT_ARTIFACT_UNRECOGNISED"),
    "a link": (become_a_link, "REJECT_ARTIFACT_UNRECOGNISED"),
    "a disk": (lambda images, booted: shutil.copyfile(images / "data", booted) and None,
               "REJECT_ARTIFACT_KIND_MISMATCH"),
}  # fmt: skip


@pytest.fixture
def world(new_world: NewWorld, machine: Any) -> Any:
    """A placement whose kernel is listed, under a name that no other test uses."""
    (images,) = machine.settings.image_roots
    shutil.copyfile(images / "still", images / "booted")
    still = next(one for one in machine.facts.artifacts if one.name == "still")
    listed = [*machine.facts.artifacts, still.model_copy(update={"name": "booted"})]
    yield new_world(facts=machine.facts.model_copy(update={"artifacts": listed}), **STILL)
    booted = images / "booted"
    shutil.rmtree(booted) if booted.is_dir() and not booted.is_symlink() else booted.unlink(
        missing_ok=True
    )


async def test_an_initrd_that_is_another_of_its_size_by_now_is_not_booted(
    new_world: NewWorld, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images,) = machine.settings.image_roots
    own, other = (cpio({"init": elf(name)}) for name in ours_first())
    told = Artifact(name="unpacked", kind="Initrd", format="Cpio", size_bytes=len(own))
    facts = machine.facts.model_copy(update={"artifacts": [*machine.facts.artifacts, told]})
    booted = {"kernel": {"artifact": "still"}, "initrd": {"artifact": "unpacked"}}
    world, started = new_world(facts=facts, **{**STILL, **booted}), list[object]()
    (images / "unpacked").write_bytes(own)
    worker = world.new_agent()
    monkeypatch.setattr(processes, "spawn", lambda *_, **__: started.append(1))
    await world.carry_on(worker, lambda record: record.state is S.LAUNCHING)
    (images / "unpacked").write_bytes(other)
    await assert_refused(world, worker, "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH", started)
    (images / "unpacked").unlink()


def ours_first() -> list[str]:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return sorted(names.values(), key=lambda one: one != names[platform.machine()])


async def assert_refused(world: World, worker: Any, code: str, started: list[object]) -> None:
    await world.carry_on(worker, lambda record: record.ended is not None)
    last = worker.record.trace[-1]
    assert (last.to, last.code) == (S.FAILED, code), last.message
    await world.carry_on(worker, lambda _: not world.remains())
    assert (started, world.vms()) == ([], [])


@pytest.mark.parametrize("name", SWAPS)
async def test_a_kernel_that_is_another_by_now_is_not_booted(
    world: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    swap, code = SWAPS[name]
    (images,) = world.settings.image_roots
    worker, started = world.new_agent(), list[object]()
    monkeypatch.setattr(processes, "spawn", lambda *_, **__: started.append(1))
    await world.carry_on(worker, lambda record: record.state is S.LAUNCHING)
    swap(images, images / "booted")
    await assert_refused(world, worker, code, started)


async def test_a_kernel_that_is_the_same_boots_and_is_looked_at_once(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = list[str](), boot_files.work_on

    async def counted(work: Any, files: Any, *rest: Any) -> None:
        looks.extend(one.path.name for one in files)
        await look(work, files, *rest)

    monkeypatch.setattr(boot_files, "work_on", counted)
    files = BootFiles()
    for _ in range(3):
        facts = world._machine.facts
        launch, roots = world.placement.spec.launch, world.settings.image_roots
        fresh = await files.freshen(facts, launch, roots, Patience())
        assert without_digests(fresh) == without_digests(facts)
    assert looks == ["booted"]
    await world.agent(lambda record: record.state is S.RUNNING)
    assert len(world.vms()) == 1


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        (
            AcceptedVersions(floors=[VersionFloor(name=Backend.QEMU, minimum="99.0")]),
            "ERR_LAUNCH_RUNTIME_VERSION_BELOW_FLOOR",
        ),
        (AcceptedVersions(minimum="99.0"), "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD"),
        (AcceptedVersions(exact="99.0"), "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH"),
    ],
)
async def test_a_vmm_that_is_older_by_now_starts_nothing(
    world: Any, monkeypatch: pytest.MonkeyPatch, accepted: AcceptedVersions, code: str
) -> None:
    spec = world.placement.spec.model_copy(update={"versions": accepted})
    world.placement = world.placement.model_copy(update={"spec": spec})
    newer = [one.model_copy(update={"version": "99.0"}) for one in world._machine.facts.backends]
    older = world._machine.facts
    world._machine = replace(world._machine, facts=older.model_copy(update={"backends": newer}))
    worker, started = world.new_agent(), list[object]()
    monkeypatch.setattr(processes, "spawn", lambda *_, **__: started.append(1))
    await world.carry_on(worker, lambda record: record.state is S.LAUNCHING)
    object.__setattr__(worker._node, "facts", lambda: older)
    await assert_refused(world, worker, code, started)


async def test_a_look_that_has_too_little_time_leaves_the_facts_as_they_are(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy node the child that looks does not get far: that is no word on the kernel."""
    monkeypatch.setattr(boot_files, "_LOOK_S", -5)  # it is waited for 5 s longer
    facts, launch = world._machine.facts, world.placement.spec.launch
    fresh = await BootFiles().freshen(facts, launch, world.settings.image_roots, Patience())
    assert without_digests(fresh) == without_digests(facts)


def without_digests(facts: NodeTruthStatus) -> dict[str, object]:
    digests = {"sha256", "sha256_missing"}
    return {one.name: one.model_dump(exclude=digests) for one in facts.artifacts}
