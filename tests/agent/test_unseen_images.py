"""Images of which nobody can say whether they are there: a launch waits, and guesses nothing."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schedune.api.nodetruth import Artifact, NodeTruthStatus
from schedune.api.vmplacement import LaunchDisk, VMPlacement
from schedune_agent.boot_files import BootFiles
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.preparation import Preparation, UnseenFileError
from schedune_agent.probes import image_roots, image_work
from schedune_agent.probes.artifacts import LISTED, ArtifactProbe
from schedune_agent.probes.image_roots import ImageFile
from schedune_agent.settings import AgentSettings
from schedune_agent.system.patience import LaterError, Patience
from schedune_agent.vmm.disk_files import check_sources
from schedune_agent.vmm.port import DiskFiles
from schedune_agent.vmm.process import paths_of
from schedune_testing.hung import dead, hung
from schedune_testing.images import bzimage
from schedune_testing.nodes import facts

NewPlacement = Callable[..., VMPlacement]
DISK = {"name": "root", "artifact": "golden", "format": "Raw", "access": "Ephemeral"}
UNSEEN = {
    "name": LISTED, "state": "Unknown", "reasonCode": "CAP_IMAGE_ROOT_UNREADABLE",
    "observedTime": "2026-11-24T12:00:00Z", "message": "/nfs: no answer",
}  # fmt: skip


def told(**changes: Any) -> NodeTruthStatus:
    """Return what a node tells that does not see into all of its roots."""
    sound = facts("node")
    sound["capabilities"] = [*sound["capabilities"], UNSEEN]
    return NodeTruthStatus.model_validate({**sound, "artifactsTruncated": 1, **changes})


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "local", tmp_path / "nfs"]
    for one in found:
        one.mkdir()
    (found[0] / "kernel").write_bytes(bzimage())
    return found


@pytest.fixture
def settings(node: Node, roots: list[Path]) -> AgentSettings:
    return node.settings.model_copy(update={"image_roots": roots})


def prepare(settings: AgentSettings, placement: VMPlacement, seen: NodeTruthStatus) -> Preparation:
    return Preparation(placement, settings, paths_of(settings, placement.metadata.uid), seen)


async def test_a_launch_waits_for_a_file_that_nobody_can_see_and_fails_of_one_that_is_not_there(
    settings: AgentSettings, new_placement: NewPlacement
) -> None:
    placement = new_placement(disks=[DISK])
    with pytest.raises(LaterError, match="the image roots: /nfs: no answer"):
        await prepare(settings, placement, told()).objection(None, Patience())
    seen = NodeTruthStatus.model_validate(facts("node"))
    found = await prepare(settings, placement, seen).objection(None, Patience())
    assert found is not None
    assert found.row.code == "REJECT_ARTIFACT_MISSING"


async def test_what_stands_against_it_besides_is_told_at_once(
    settings: AgentSettings, new_placement: NewPlacement
) -> None:
    seen = told(cpu={"architecture": "arm64", "cores": 8})
    found = await prepare(settings, new_placement(disks=[DISK]), seen).objection(None, Patience())
    assert found is not None
    assert found.row.code == "REJECT_ARCHITECTURE_MISMATCH"


async def test_a_recorded_node_that_never_sees_it_refuses_a_dry_run(
    settings: AgentSettings, new_placement: NewPlacement
) -> None:
    recorded = settings.model_copy(update={"facts_file": Path("/recorded.json")})
    found = await prepare(recorded, new_placement(disks=[DISK]), told()).objection(None, Patience())
    assert found is not None
    assert found.row.code == "REJECT_ARTIFACT_UNKNOWN"


async def test_a_launch_that_was_validated_is_not_ended_by_it(
    settings: AgentSettings, new_placement: NewPlacement
) -> None:
    preparation = prepare(settings, new_placement(disks=[DISK]), told())
    with pytest.raises(LaterError, match="no answer"):
        await preparation.late_objection(BootFiles(), Patience())


def test_no_root_is_guessed_of_several_but_that_of_a_recorded_node(
    settings: AgentSettings, new_placement: NewPlacement, roots: list[Path]
) -> None:
    placement = new_placement(disks=[DISK])
    with pytest.raises(UnseenFileError, match="golden"):
        prepare(settings, placement, told()).disks()
    recorded = settings.model_copy(update={"facts_file": Path("/recorded.json")})
    assert prepare(recorded, placement, told()).disks()[0].source == roots[0] / "golden"


async def test_what_is_in_a_root_that_answers_boots_beside_one_that_hangs(
    settings: AgentSettings, new_placement: NewPlacement, roots: list[Path]
) -> None:
    probe = ArtifactProbe(roots, patience_s=5)
    found, _ = await probe()
    seen = told(artifacts=found)
    launch, patience = new_placement().spec.launch, Patience(look_s=0.2, most_late=1)
    with hung(roots[1]):
        for _ in range(3):
            fresh = await BootFiles().freshen(seen, launch, roots, patience)
            assert [one.name for one in fresh.artifacts] == ["kernel"]
        with pytest.raises(LaterError, match=f"the image root {roots[1]}"):
            await BootFiles().freshen(seen, launch, roots[::-1], patience)


async def test_a_root_that_gives_an_error_keeps_no_disk_of_another_from_being_used(
    roots: list[Path],
) -> None:
    (roots[1] / "golden").write_bytes(b"x")
    disk = LaunchDisk.model_validate(DISK)
    files = [DiskFiles(disk, roots[1] / "golden", roots[0] / "overlay")]
    with dead(roots[0]):
        await check_sources(files, roots, Patience())
    with dead(roots[1]), pytest.raises(LaterError, match=f"the image root {roots[1]}: "):
        await check_sources(files, roots, Patience())


async def test_of_a_large_root_only_what_is_booted_is_looked_at(
    new_placement: NewPlacement, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe, found = ArtifactProbe(roots, patience_s=5), list[Artifact]()
    while not found or not all(one.sha256 for one in found):
        found, _ = await probe()
    monkeypatch.setattr(image_roots, "_list_root", lambda _: pytest.fail("all of it is listed"))
    launch = new_placement().spec.launch
    fresh = await BootFiles().freshen(told(artifacts=found), launch, roots, Patience())
    assert [one.name for one in fresh.artifacts] == ["kernel"]


async def test_a_file_whose_root_hangs_once_it_is_seen_is_waited_for_a_moment_only(
    new_placement: NewPlacement, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as ways:
        opens = image_work.open_file

        def hang_first(file: ImageFile) -> int:
            ways.enter_context(hung(roots[0]))
            return opens(file)

        monkeypatch.setattr(image_work, "open_file", hang_first)
        launch = new_placement().spec.launch
        with pytest.raises(LaterError, match=f"the image root {roots[0]}: no answer"):
            await BootFiles().freshen(told(), launch, roots, Patience(look_s=0.2))


async def test_another_cause_to_wait_is_told(
    node: Node, new_placement: NewPlacement, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = PlacementWorker(node, new_placement(), None)
    object.__setattr__(node, "facts", told)
    causes = ["the image root /nfs: no answer", "the image root /nfs: 2 looks", "Secret web: 503"]

    async def waits(*_: object) -> None:
        raise LaterError(causes[0])

    monkeypatch.setattr(Preparation, "objection", waits)
    while causes:
        await worker.step()
        await worker.step()
        del causes[0]
    waited = [one.message for one in worker.record.trace if one.code == "PREPARATION_WAITS"]
    assert waited == ["waiting for the image root /nfs: no answer", "waiting for Secret web: 503"]


async def test_who_waits_says_so_once(node: Node, new_placement: NewPlacement) -> None:
    worker = PlacementWorker(node, new_placement(disks=[DISK]), None)
    object.__setattr__(node, "facts", told)
    for _ in range(5):
        await worker.step()
    codes = [one.code for one in worker.record.trace]
    assert codes.count("PREPARATION_WAITS") == 1
    assert worker.record.ended is None
