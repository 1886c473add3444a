"""``schedune orphans``: what runs without a placement, and the order for it, ready to paste."""

import json
import shlex

from schedune_testing.recordings import Files, document, node, run, snapshot, truth, whole

FLEET = ("--truth", "fleet.yaml")
LEAKED = {
    "class": "leaked", "code": "ERR_ORPHAN_STALE_ARTIFACT_STATE", "pid": 7, "startTime": 70,
    "bootID": "b", "backend": "QEMU", "placementUID": "u", "claim": "1 vCPUs, 64Mi",
    "message": "QEMU with pid 7 carries our marker",
}  # fmt: skip
STANDING = {"pid": 5, "startTime": 50, "bootID": "b", "action": "Ignore"}


def test_an_orphan_comes_with_the_order_that_ends_it_beside_those_that_stand(files: Files) -> None:
    files.write(
        "fleet.yaml",
        snapshot(node("a"), truth("a", spec={"orphanActions": [STANDING]}, orphans=[LEAKED])),
    )
    (told,) = document("orphans", *FLEET)["orphans"]
    words = shlex.split(told["command"])
    assert words[:5] == ["kubectl", "patch", "nodetruth", "a", "--type=merge"]
    orders = json.loads(words[6])["spec"]["orphanActions"]
    ended = {"pid": 7, "startTime": 70, "bootID": "b", "action": "Terminate"}
    assert orders == [STANDING, ended]
    text = run("orphans", *FLEET)
    assert (text.exit_code, told["command"] in text.stdout) == (1, True)


def test_an_orphan_that_is_ordered_for_already_is_told_with_what_came_of_it(files: Files) -> None:
    given = {"pid": 7, "startTime": 70, "bootID": "b", "action": "Terminate"}
    outcome = {**given, "code": "ERR_ORPHAN_NOT_ENDED", "message": "it lives on"}
    files.write(
        "fleet.yaml",
        snapshot(
            node("a"),
            truth("a", spec={"orphanActions": [given]}, orphans=[LEAKED], orphanOrders=[outcome]),
        ),
    )
    told = document("orphans", *FLEET)
    assert told["orphans"][0]["command"] == ""
    assert told["orders"][0]["order"]["code"] == "ERR_ORPHAN_NOT_ENDED"
    assert "it lives on" in run("orphans", *FLEET).stdout


def test_what_ended_vms_left_is_told_with_what_to_do_and_no_order(files: Files) -> None:
    left = {
        "class": "residue", "code": "ERR_ORPHAN_RESIDUE_IN_USE", "placementUID": "u",
        "message": "what was left of VM u stays: pid 9 names it",
    }  # fmt: skip
    files.write("fleet.yaml", snapshot(node("a"), truth("a", orphans=[left])))
    (told,) = document("orphans", *FLEET)["orphans"]
    assert (told["command"], "pid" in told["orphan"]) == ("", False)
    text = run("orphans", *FLEET).stdout
    assert "pid 9 names it" in text
    assert f"left of VM u on a: {told['remedy']}" in text
    assert "kubectl" not in text


def test_orphans_that_a_truth_has_no_room_for_are_counted(files: Files) -> None:
    files.write("fleet.yaml", snapshot(node("a"), truth("a", orphans=[LEAKED], orphansTruncated=3)))
    assert document("orphans", *FLEET)["unlisted"] == [{"nodeName": "a", "count": 3}]
    assert "3 more on a" in run("orphans", *FLEET).stdout


def test_a_fleet_without_orphans_says_so(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    told = run("orphans", *FLEET)
    assert (told.exit_code, told.stdout) == (
        0,
        "No agent tells of a VMM that no placement accounts for.\n",
    )


def test_a_node_whose_truth_cannot_be_read_is_not_taken_for_one_without_orphans(
    files: Files,
) -> None:
    newer = truth("a", spec={"knob": 1}, orphans=[LEAKED])
    files.write("fleet.yaml", snapshot(node("a"), newer, *whole("b")))
    told = run("orphans", *FLEET)
    assert told.exit_code == 2
    assert "Of a nobody knows" in told.stdout
    assert document("orphans", *FLEET)["unread"] == ["a"]
