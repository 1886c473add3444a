"""``schedune simulate``: what would move, what would strand, and why."""

from typing import Any

import pytest

from schedune_testing.recordings import (
    Files,
    document,
    placed,
    placement,
    run,
    snapshot,
    truth,
    whole,
    workload,
)

FLEET = ("--truth", "fleet.yaml")


def fates(*arguments: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document("simulate", *FLEET, *arguments)["fates"]}


def test_a_drained_vm_gets_a_target(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a"), *placed("other", "b")))
    told = fates("--drain", "a")
    assert list(told) == ["vm"]
    assert (told["vm"]["outcome"], told["vm"]["before"], told["vm"]["after"]) == ("Moves", "a", "b")
    assert run("simulate", *FLEET, "--drain", "a").exit_code == 0


def test_a_drained_vm_without_a_target_strands_with_the_smallest_change(files: Files) -> None:
    big = {"resources": {"vcpus": 2, "memory": "14Gi"}}
    files.write(
        "fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a", **big), *placed("x", "b"))
    )
    told = fates("--drain", "a")["vm"]
    assert told["outcome"] == "Stranded"
    assert told["nearest"].startswith("b if memory <= ")
    assert told["changes"] == [told["nearest"].removeprefix("b if ")]
    text = run("simulate", *FLEET, "--drain", "a")
    assert text.exit_code == 1
    assert "stranded" in text.stdout
    assert "draining is taken back" not in text.stdout


def test_vms_are_placed_one_after_another_by_name(files: Files) -> None:
    half = {"resources": {"vcpus": 5, "memory": "1Gi"}}
    small = {"resources": {"vcpus": 1, "memory": "1Gi"}}
    files.write(
        "fleet.yaml",
        snapshot(
            *whole("a", "b", "c"), *placed("two", "a", **half), *placed("one", "a", **half),
            *placed("six", "a", **small),
        ),
    )  # fmt: skip
    told = fates("--drain", "a", "--cordon", "c")
    assert {name: one["outcome"] for name, one in told.items()} == {
        "one": "Moves", "six": "Moves", "two": "Stranded",
    }  # fmt: skip


def test_the_vms_of_a_removed_node_need_another_one(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a")))
    assert fates("--remove", "a")["vm"]["after"] == "b"
    told = fates("--remove", "a", "--remove", "b")["vm"]
    assert told["outcome"] == "Stranded"
    assert "no nodes are known" in told["message"]


def test_a_cordon_moves_nothing_and_keeps_new_vms_away(files: Files) -> None:
    files.write("vm.yaml", workload("new"))
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a")))
    told = fates("--cordon", "a", "-f", "vm.yaml")
    assert list(told) == ["new"]
    assert (told["new"]["outcome"], told["new"]["after"]) == ("Placed", "b")


def test_a_node_to_come_takes_what_waits(files: Files) -> None:
    waiting = workload("waits", architecture="arm64")
    files.write("fleet.yaml", snapshot(*whole("a"), waiting))
    files.write("new.yaml", truth("n", architecture="arm64"))
    told = fates("--add", "new.yaml")["waits"]
    assert (told["outcome"], told["after"], told["otherwise"]) == ("Placed", "n", "-")
    assert run("simulate", *FLEET).exit_code == 0
    assert "waits" in run("simulate", *FLEET).stdout


def test_a_node_of_a_known_name_is_replaced(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), workload("waits", architecture="arm64")))
    files.write("new.yaml", truth("a", architecture="arm64"))
    told = document("simulate", *FLEET, "--add", "new.yaml")
    assert told["changes"] == ["replace node a"]
    assert told["fates"][0]["after"] == "a"


def test_what_could_be_placed_without_the_change_is_a_loss(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), workload("waits")))
    told = fates("--cordon", "a")["waits"]
    assert (told["outcome"], told["otherwise"]) == ("Waits", "a")
    text = run("simulate", *FLEET, "--cordon", "a")
    assert text.exit_code == 1
    assert "(without the change: a)" in text.stdout


def test_a_changed_spec_that_its_node_can_still_run_stays(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "b")))
    files.write("vm.yaml", workload("vm", resources={"vcpus": 8, "memory": "8Gi"}))
    assert fates("-f", "vm.yaml")["vm"]["outcome"] == "Stays"
    files.write("vm.yaml", workload("vm", resources={"vcpus": 9, "memory": "8Gi"}))
    assert fates("-f", "vm.yaml")["vm"]["outcome"] == "Stranded"


def test_a_placement_without_its_workload_cannot_be_judged(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), placement("vm", "a")))
    told = fates("--drain", "a")["vm"]
    assert told["outcome"] == "Unknown"
    assert run("simulate", *FLEET, "--drain", "a").exit_code == 1


def test_a_refused_workload_finds_no_node(files: Files) -> None:
    files.write(
        "vm.yaml", workload("vm", resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"})
    )
    files.write("fleet.yaml", truth("a"))
    assert fates("-f", "vm.yaml")["vm"]["outcome"] == "Refused"
    assert run("simulate", *FLEET, "-f", "vm.yaml").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [("--drain", "x"), ("--cordon", "x"), ("--remove", "x"), ("--remove", "a", "--drain", "a")],
)
def test_a_node_that_is_not_there_is_said(arguments: tuple[str, ...], files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    told = run("simulate", *FLEET, *arguments)
    assert told.exit_code == 2
    assert "there is no node" in told.stderr


def test_the_fleet_itself_is_not_changed(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a"), workload("waits")))
    before = document("explain", *FLEET)
    fates("--drain", "a")
    assert document("explain", *FLEET) == before
    assert fates("--drain", "a") == fates("--drain", "a")
