"""``schedune truth diff``: two recordings, what verdicts hang on first."""

from pathlib import Path

import pytest
import yaml

from schedune_testing.recordings import Files, document, lease, node, run, snapshot, truth, whole

THEN, NOW = "2026-11-24T12:00:00Z", "2026-11-24T12:01:00Z"
OTHER_OS = {"hostname": "a", "kernel": "6.1", "name": "Debian"}


def two(files: Files, **changes: object) -> None:
    """Record a node twice, the second time with changes."""
    files.write("old.yaml", snapshot(*whole("a"), recorded=THEN))
    files.write("new.yaml", snapshot(node("a"), truth("a", **changes), lease("a"), recorded=NOW))


def test_a_recording_does_not_differ_from_itself(files: Files) -> None:
    two(files)
    told = run("truth", "diff", "old.yaml", "old.yaml")
    assert told.exit_code == 0
    assert "verdicts may change on 0 of 1 node" in told.stdout


def test_times_alone_are_no_difference(files: Files) -> None:
    later = {**truth("a")["status"]["capabilities"][0], "observedTime": NOW}
    two(files, capabilities=[later], observedTime=NOW)
    told = run("truth", "diff", "old.yaml", "new.yaml")
    assert told.exit_code == 0
    assert document("truth", "diff", "old.yaml", "new.yaml")["nodes"][0]["noise"] == 2


def test_facts_that_change_verdicts_come_before_the_others(files: Files) -> None:
    two(files, os=OTHER_OS, compatibilityClass="ArmProduction")
    told = run("truth", "diff", "old.yaml", "new.yaml")
    assert told.exit_code == 1
    lines = told.stdout.splitlines()
    decisive, other = (
        next(at for at, line in enumerate(lines) if path in line)
        for path in ("status.compatibilityClass", "status.os")
    )
    assert decisive < other
    assert "absent -> ArmProduction" in lines[decisive]
    assert lines[decisive].lstrip().startswith("may change")
    assert lines[other].lstrip().startswith("unchanged")


def test_nodes_that_came_and_went_are_told(files: Files) -> None:
    files.write("old.yaml", snapshot(*whole("a", "b")))
    files.write("new.yaml", snapshot(*whole("a", "c")))
    told = run("truth", "diff", "old.yaml", "new.yaml")
    assert told.exit_code == 1
    assert "b is gone" in told.stdout
    assert "c is new" in told.stdout


def test_one_node_may_be_asked_about(files: Files) -> None:
    files.write("old.yaml", snapshot(*whole("a", "b")))
    files.write("new.yaml", snapshot(*whole("a")))
    both = ("truth", "diff", "old.yaml", "new.yaml")
    assert run(*both, "--node", "a").exit_code == 0
    assert run(*both, "--node", "b").exit_code == 1
    told = run(*both, "--node", "bb")
    assert told.exit_code == 2
    assert "there is no node bb; did you mean b?" in told.stderr


def test_folders_of_truths_are_compared_like_snapshots(files: Files) -> None:
    files.write("old/a.yaml", truth("a"))
    files.write("new/a.yaml", truth("a", os=OTHER_OS))
    assert run("truth", "diff", "old", "old").exit_code == 0
    told = document("truth", "diff", "old", "new")
    assert [one["path"] for one in told["nodes"][0]["other"]] == ["status.os"]
    assert told["nodes"][0]["decisive"] == []


def test_facts_that_grew_stale_between_snapshots_are_told(files: Files) -> None:
    files.write("old.yaml", snapshot(*whole("a"), recorded=THEN))
    files.write("new.yaml", snapshot(*whole("a"), recorded="2026-11-24T13:00:00Z"))
    (one,) = document("truth", "diff", "old.yaml", "new.yaml")["nodes"]
    assert one["decisive"] == [{"path": "freshness", "then": "Fresh", "now": "Stale"}]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_difference_has_a_form_for_machines(files: Files, form: str) -> None:
    two(files, os=OTHER_OS)
    told = run("truth", "diff", "old.yaml", "new.yaml", "-o", form)
    assert told.exit_code == 1
    assert yaml.safe_load(told.stdout)["kind"] == "TruthDifference"


@pytest.mark.parametrize("missing", ["old.yaml", "new.yaml"])
def test_a_file_that_is_not_there_is_bad_input(files: Files, missing: str) -> None:
    two(files)
    Path(missing).unlink()
    told = run("truth", "diff", "old.yaml", "new.yaml")
    assert told.exit_code == 2
    assert f"{missing}: there is no such file" in told.stderr


def test_a_node_that_cannot_be_read_is_said_and_the_others_are_compared(files: Files) -> None:
    two(files)
    bad = snapshot(*whole("a"), node("b"), truth("b", health={"state": "Splendid"}))
    files.write("new.yaml", bad)
    told = run("truth", "diff", "old.yaml", "new.yaml")
    assert told.exit_code == 2
    assert "status.health.state" in told.stderr
    assert "b is new" in told.stdout
