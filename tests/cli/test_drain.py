"""``schedune drain``: what would become of a node's VMs, and what has become of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schedune_cli.judging.drain import DrainReport, look_at_drain
from schedune_testing.recordings import Files, document, placed, run, snapshot, whole

BIG = {"resources": {"vcpus": 2, "memory": "14Gi"}}
PLAN = ("drain", "a", "--dry-run", "--truth", "fleet.yaml")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_dry_run_tells_of_each_vm_where_it_would_go_or_what_it_lacks(files: Files) -> None:
    fleet = (*whole("a", "b"), *placed("small", "a"), *placed("big", "a", **BIG))
    files.write("fleet.yaml", snapshot(*fleet, *placed("other", "b")))
    told = document(*PLAN)
    assert (told["nodeName"], told["state"]) == ("a", "Planned")
    vms = {one["name"]: one for one in told["vms"]}
    assert list(vms) == ["big", "small"], "what is on other nodes is not concerned"
    assert (vms["small"]["outcome"], vms["small"]["after"]) == ("Moves", "b")
    assert vms["big"]["outcome"] == "Stays"
    assert vms["big"]["nearest"].startswith("b if memory <= ")
    text = run(*PLAN)
    assert text.exit_code == 1
    assert "If a were drained now:" in text.stdout
    assert "2 VMs: 1 moves, 1 stays." in text.stdout


def test_a_dry_run_of_a_node_that_leaves_nobody_ends_well(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("small", "a")))
    assert run(*PLAN).exit_code == 0
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("small", "b")))
    empty = run(*PLAN)
    assert empty.exit_code == 0
    assert "No VM is concerned." in empty.stdout


def test_vms_do_not_share_the_place_that_one_of_them_takes(files: Files) -> None:
    half = {"resources": {"vcpus": 5, "memory": "1Gi"}}
    fleet = (*whole("a", "b"), *placed("one", "a", **half), *placed("two", "a", **half))
    files.write("fleet.yaml", snapshot(*fleet))
    assert [one["outcome"] for one in document(*PLAN)["vms"]] == ["Moves", "Stays"]


def test_a_node_that_is_not_there_is_bad_input(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("arm-01")))
    told = run("drain", "arm-10", "--dry-run", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "did you mean arm-01?" in told.stderr


@pytest.mark.parametrize(
    "arguments", [("--truth", "fleet.yaml"), ("--dry-run", "--cancel", "--truth", "fleet.yaml")]
)
def test_a_recording_is_asked_and_not_changed(files: Files, arguments: tuple[str, ...]) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    assert run("drain", "a", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("node", "status", "outcomes"), [("a", 2, ["Unknown"]), ("b", 0, []), (7, 2, ["Unknown"])]
)
def test_a_placement_that_cannot_be_read_may_be_a_vm_that_has_to_leave(
    files: Files, node: str | int, status: int, outcomes: list[str]
) -> None:
    _, newer = placed("small", "a")
    newer["spec"] |= {"nodeName": node, "knob": 1}
    files.write("fleet.yaml", snapshot(*whole("a", "b"), newer))
    assert run(*PLAN).exit_code == status
    assert [one["outcome"] for one in document(*PLAN).get("vms", [])] == outcomes


# --- how far it has come -----------------------------------------------------------------


def a_placement(node: str, **changes: Any) -> dict[str, Any]:
    return {"spec": {"nodeName": node, "mode": "Execute", **changes}}


def told_by(kind: str, reason: str, message: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "reason": reason, "message": message}
    return {"status": {"conditions": [condition]}}


def look(*, is_draining: bool = True, **placements: dict[str, Any]) -> DrainReport:
    found = {("shop", name): one for name, one in placements.items()}
    stays = told_by("Scheduled", "DrainWaits", "no other node")
    leaves = told_by("Ready", "DrainMoves", "placed on b")
    workloads = {("shop", "stays"): stays, ("shop", "leaves"): leaves}
    known = [("shop", "gone"), ("shop", "moved")]
    return look_at_drain("a", known, found, workloads, is_draining=is_draining, now=NOW)


def test_each_vm_is_told_by_what_its_objects_say() -> None:
    report = look(
        stays=a_placement("a"),
        leaves=a_placement("a", stop={"reason": "DrainMoves", "graceSeconds": 30}),
        waits=a_placement("a"),
        moved=a_placement("b"),
        other=a_placement("b"),
        trial=a_placement("a", mode="DryRun"),
    )
    assert {one.name: (one.outcome, one.after, one.message) for one in report.vms} == {
        "gone": ("Left", "", ""),
        "leaves": ("Leaves", "", "placed on b"),
        "moved": ("Left", "b", ""),
        "stays": ("Stays", "", "no other node"),
        "waits": ("Waits", "", ""),
    }
    assert (report.state, report.leaves_nobody) == ("Draining", False)


def test_a_node_without_vms_is_drained_and_one_that_takes_vms_again_was_called_off() -> None:
    assert look(moved=a_placement("b")).state == "Drained"
    assert look(moved=a_placement("b")).leaves_nobody
    assert look(stays=a_placement("a"), is_draining=False).state == "CalledOff"
