"""What is booted, looked at once more: by which file it is, not only by how long it is."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Artifact, NodeTruthStatus
from schedune.api.vmplacement import Launch, VMPlacement
from schedune_agent import boot_files
from schedune_agent.boot_files import BootFiles
from schedune_agent.probes.artifacts import ArtifactProbe
from schedune_agent.system.patience import Patience
from schedune_testing.images import bzimage, cpio, elf

NewPlacement = Callable[..., VMPlacement]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    (root / "kernel").write_bytes(bzimage())
    (root / "initrd").write_bytes(cpio({"init": elf("amd64")}))
    return root


@pytest.fixture
async def facts(images: Path) -> NodeTruthStatus:
    """What a node tells of its images once all of it is known."""
    probe, deadline = ArtifactProbe([images]), time.monotonic() + 30
    while True:
        found, _ = await probe()
        if all(one.sha256 for one in found):
            return NodeTruthStatus.model_validate({"artifacts": found})
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.fixture
def launch(new_placement: NewPlacement) -> Launch:
    return new_placement(initrd={"artifact": "initrd"}).spec.launch


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that a child had a look at."""
    seen, look = list[str](), boot_files.work_on

    async def counted(work: Any, files: Any, *rest: Any) -> None:
        seen.extend(one.path.name for one in files)
        await look(work, files, *rest)

    monkeypatch.setattr(boot_files, "work_on", counted)
    return seen


def exchange(file: Path, content: bytes) -> None:
    """Put another file in its place that is as long and as old."""
    before, new = file.stat(), file.with_suffix(".new")
    assert len(content) == before.st_size
    new.write_bytes(content)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)


async def fresh(facts: NodeTruthStatus, launch: Launch, images: Path) -> dict[str, Artifact]:
    told = await BootFiles().freshen(facts, launch, [images], Patience())
    return {one.name: one for one in told.artifacts}


async def test_files_that_are_as_the_probes_saw_them_cost_no_child(
    facts: NodeTruthStatus, launch: Launch, images: Path, looks: list[str]
) -> None:
    assert list((await fresh(facts, launch, images)).values()) == facts.artifacts
    assert looks == []


@pytest.mark.parametrize("touch", [lambda _: None, lambda file: file.chmod(0o600)])
async def test_a_file_of_which_other_words_are_told_keeps_its_digest(
    facts: NodeTruthStatus, launch: Launch, images: Path, touch: Callable[[Path], None]
) -> None:
    """As of an agent that words its evidence otherwise, and of a change of no content."""
    reworded = [one.model_copy(update={"evidence": "in other words"}) for one in facts.artifacts]
    touch(images / "kernel")
    found = await fresh(facts.model_copy(update={"artifacts": reworded}), launch, images)
    assert [one.sha256 for one in found.values()] == [one.sha256 for one in facts.artifacts]


async def test_an_initrd_that_was_exchanged_for_one_of_its_size_is_told_as_what_it_is(
    facts: NodeTruthStatus, launch: Launch, images: Path, looks: list[str]
) -> None:
    exchange(images / "initrd", cpio({"init": elf("arm64")}))
    found = (await fresh(facts, launch, images))["initrd"]
    assert (found.architecture, found.sha256, found.sha256_missing) == (
        "arm64", None, "NotComputedYet",
    )  # fmt: skip
    assert looks == ["initrd"]


async def test_an_initrd_that_was_written_over_and_set_back_in_time_is_looked_at(
    facts: NodeTruthStatus, launch: Launch, images: Path
) -> None:
    file = images / "initrd"
    before = file.stat()
    file.write_bytes(cpio({"init": elf("arm64")}))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await fresh(facts, launch, images))["initrd"].architecture == "arm64"


async def test_a_kernel_that_was_exchanged_for_one_that_looks_alike_has_no_digest(
    facts: NodeTruthStatus, launch: Launch, images: Path
) -> None:
    content = (images / "kernel").read_bytes()
    exchange(images / "kernel", content[:-1] + bytes([content[-1] ^ 1]))
    found = (await fresh(facts, launch, images))["kernel"]
    assert (found.architecture, found.sha256) == ("amd64", None)


async def test_of_an_exchanged_file_that_nobody_can_look_at_now_the_digest_is_not_told_on(
    facts: NodeTruthStatus, launch: Launch, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot_files, "_LOOK_S", -5)  # it is waited for 5 s longer
    exchange(images / "initrd", cpio({"init": elf("arm64")}))
    found = (await fresh(facts, launch, images))["initrd"]
    assert (found.architecture, found.sha256) == ("amd64", None)


async def test_one_file_under_two_names_is_told_by_each(
    facts: NodeTruthStatus, launch: Launch, images: Path
) -> None:
    (images / "initrd").unlink()
    (images / "initrd").hardlink_to(images / "kernel")
    found = await fresh(facts, launch, images)
    assert (found["initrd"].name, found["kernel"].name) == ("initrd", "kernel")
    assert found["initrd"].kind == "Kernel"
