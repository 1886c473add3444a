"""Workloads that need no node: nothing is looked for, counted or reserved for them."""

from typing import Any

import pytest

from schedune_testing.recordings import (
    TIME,
    Files,
    Object,
    document,
    ended,
    placed,
    run,
    snapshot,
    whole,
    workload,
)

FLEET = ("--truth", "fleet.yaml")
LARGE = {"resources": {"vcpus": 2, "memory": "10Gi"}}
"""Two of these do not fit on one node."""


def fates(*arguments: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document("simulate", *FLEET, *arguments)["fates"]}


def verdicts(*arguments: str) -> dict[str, tuple[str, str]]:
    told = document("explain", *FLEET, *arguments)["items"]
    return {one["metadata"]["name"]: (one["verdict"], one["chosen"]) for one in told}


def deleted(name: str, **spec: Any) -> Object:
    found = workload(name, **spec)
    found["metadata"] |= {"uid": f"w-{name}", "deletionTimestamp": TIME}
    return found


def dry_run(name: str, node_name: str) -> list[Object]:
    """Return a dry run that was prepared on a node."""
    found, bound = placed(name, node_name, launchMode="DryRun", **LARGE)
    bound["spec"]["mode"] = "DryRun"
    bound["status"] = {"state": "Validated"}
    return [found, bound]


# --- recorded ----------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["StoppedByGuest", "GuestPanicked"])
def test_what_ended_under_its_policy_does_not_wait(files: Files, reason: str) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *ended("done", "b", reason)))
    assert fates("--cordon", "b", "--cordon", "a") == {}
    assert run("simulate", *FLEET, "--cordon", "a", "--cordon", "b").exit_code == 0


def test_what_ended_waits_again_once_it_is_changed(files: Files) -> None:
    found, bound = ended("done", "b")
    found["spec"]["resources"]["vcpus"] = 3
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    assert fates("--cordon", "a")["done"]["after"] == "b"


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"stop": {"reason": "Stopped", "graceSeconds": 30}}},
        {"status": {"ended": {"time": TIME, "reason": "LedgerFull"}}},
        {"status": {"refusal": {"code": "REFUSED_LEDGER_FULL", "observed": "1", "required": "2"}}},
        {"metadata": {"deletionTimestamp": TIME}},
        {"spec": {"workload": {"generation": 1, "uid": "another"}}},
        {"spec": {"mode": "DryRun"}},
    ],
    ids=["by order", "before the guest", "refused", "deleted", "of another", "of another mode"],
)
def test_what_ended_otherwise_waits_for_the_next_attempt(
    files: Files, change: dict[str, Object]
) -> None:
    found, bound = ended("done", "b")
    for part, fields in change.items():
        bound[part] |= fields
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    assert list(fates()) == ["done"]


def test_a_new_restart_token_asks_for_another_attempt(files: Files) -> None:
    found, bound = ended("done", "b", restartToken="again")
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    assert list(fates()) == ["done"]


def test_a_dry_run_that_was_prepared_does_not_wait(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), *dry_run("dry", "a")))
    assert fates() == {}


def test_a_dry_run_that_was_changed_is_made_anew(files: Files) -> None:
    found, bound = dry_run("dry", "a")
    found["spec"]["resources"]["vcpus"] = 3
    files.write("fleet.yaml", snapshot(*whole("a"), found, bound))
    assert fates()["dry"]["after"] == "a"


def test_what_is_being_deleted_does_not_wait(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), deleted("gone")))
    assert fates() == {}


def test_repairs_are_counted_over_what_wants_a_node(files: Files) -> None:
    closed = whole("a", "b")
    closed[0]["spec"]["unschedulable"] = closed[3]["spec"]["unschedulable"] = True
    needless = (
        deleted("gone"), workload("off", runState="Stopped"), *ended("done", "a"),
        *dry_run("dry", "a"),
        workload("refused", resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"}),
    )  # fmt: skip
    files.write("fleet.yaml", snapshot(*closed, *needless, workload("waits")))
    told = document("nodes", *FLEET)
    assert told["workloads"] == 1
    assert [one["workloads"] for one in told["repairs"]] == [["default/waits"]]


# --- applied -----------------------------------------------------------------------------


def test_what_is_applied_as_stopped_takes_no_room(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    files.write(
        "two.yaml", workload("a-off", runState="Stopped", **LARGE), workload("b-on", **LARGE)
    )
    told = fates("-f", "two.yaml")
    assert (told["a-off"]["outcome"], told["a-off"]["after"]) == ("Rests", "")
    assert told["a-off"]["message"] == "the VM is stopped, as asked"
    assert (told["b-on"]["outcome"], told["b-on"]["after"]) == ("Placed", "a")
    assert run("simulate", *FLEET, "-f", "two.yaml").exit_code == 0
    assert verdicts("-f", "two.yaml", "--together")["b-on"] == ("Eligible", "a")
    note = "default/a-off takes no room from the others: the VM is stopped, as asked"
    assert note in run("explain", *FLEET, "-f", "two.yaml", "--together").stderr
    assert note not in run("explain", *FLEET, "-f", "two.yaml").stderr


@pytest.mark.parametrize("mode", ["DryRun", "Validate"])
def test_a_dry_run_finds_a_node_and_reserves_nothing(files: Files, mode: str) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    files.write("two.yaml", workload("a-dry", launchMode=mode, **LARGE), workload("b-on", **LARGE))
    assert {one["after"] for one in fates("-f", "two.yaml").values()} == {"a"}
    told = verdicts("-f", "two.yaml", "--together")
    assert told == {"a-dry": ("Eligible", "a"), "b-on": ("Eligible", "a")}


def test_two_vms_still_do_not_share_the_room_of_one(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a")))
    files.write("two.yaml", workload("a-on", **LARGE), workload("b-on", **LARGE))
    assert [one["outcome"] for one in fates("-f", "two.yaml").values()] == ["Placed", "Waits"]
    assert verdicts("-f", "two.yaml", "--together")["b-on"] == ("NoEligibleNode", "")


def test_what_is_applied_as_stopped_gives_back_what_its_vm_holds(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a"), *placed_large("runs", "a")))
    files.write(
        "two.yaml", workload("runs", runState="Stopped", **LARGE), workload("next", **LARGE)
    )
    told = fates("-f", "two.yaml")
    assert (told["runs"]["outcome"], told["runs"]["before"]) == ("Ends", "a")
    assert (told["next"]["outcome"], told["next"]["after"]) == ("Placed", "a")


def placed_large(name: str, node_name: str) -> list[Object]:
    found, bound = placed(name, node_name, **LARGE)
    bound["spec"]["claim"] |= {"memory": "10Gi"}
    return [found, bound]


# --- drained -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stopped", "deleted"])
def test_a_vm_that_is_ended_anyhow_does_not_stay_on_a_drained_node(files: Files, way: str) -> None:
    found, bound = placed("vm", "a")
    if way == "stopped":
        found["spec"]["runState"] = "Stopped"
    else:
        found["metadata"]["deletionTimestamp"] = TIME
    files.write("fleet.yaml", snapshot(*whole("a"), found, bound))
    plan = ("drain", "a", "--dry-run", *FLEET)
    (vm,) = document(*plan)["vms"]
    assert (vm["outcome"], vm["after"]) == ("Ends", "")
    text = run(*plan)
    assert text.exit_code == 0
    assert "1 VM: 1 ends." in text.stdout
    assert fates("--drain", "a")["vm"]["outcome"] == "Ends"


def test_a_placement_that_cannot_be_read_is_told_of_a_drained_node(files: Files) -> None:
    found, newer = placed("vm", "a")
    newer["spec"]["knob"] = 1
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, newer))
    assert fates("--drain", "a")["vm"]["outcome"] == "Unknown"
    assert fates("--cordon", "b") == {}, "it may have a VM: it does not wait"


# --- refused -----------------------------------------------------------------------------


def test_a_refused_manifest_of_a_vm_that_has_to_leave_is_told_once(files: Files) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *placed("vm", "a")))
    big = {"vcpus": 2, "memory": "4Gi", "hugepages": "2Mi"}
    files.write("big.yaml", workload("vm", resources=big))
    told = document("simulate", *FLEET, "--drain", "a", "-f", "big.yaml")["fates"]
    assert [(one["outcome"], one["before"], one["after"]) for one in told] == [("Refused", "a", "")]
    assert told[0]["message"].endswith("; its VM stays on a as it was placed")


def test_a_refused_workload_stays_on_a_drained_node(files: Files) -> None:
    found, bound = placed("vm", "a")
    found["spec"]["resources"]["hugepages"] = "2Mi"
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    (vm,) = document("drain", "a", "--dry-run", *FLEET)["vms"]
    assert vm["outcome"] == "Stays"


REFUSED: dict[str, tuple[Object, str]] = {
    "not acted on": ({"resources": {"vcpus": 2, "memory": "4Gi", "hugepages": "2Mi"}}, "'2Mi'"),
    "cannot be meant": ({"resources": {"vcpus": 2, "memory": "1Mi"}}, "got 1Mi"),
    "no quantity": ({"resources": {"vcpus": 2, "memory": "lots"}}, "got 'lots'"),
    "of a newer version": ({"knob": 1}, "got 1"),
}


def refused(how: str) -> list[Object]:
    """Return a VM whose spec was edited to something that the operator refuses."""
    found, bound = placed("vm", "a")
    found["spec"] |= REFUSED[how][0]
    return [found, bound]


@pytest.mark.parametrize("how", REFUSED)
def test_whatever_is_refused_of_a_spec_its_vm_stays_and_the_field_is_named(
    files: Files, how: str
) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *refused(how)))
    (vm,) = document("drain", "a", "--dry-run", *FLEET)["vms"]
    assert vm["outcome"] == "Stays"
    assert vm["message"].startswith("spec.")
    assert REFUSED[how][1] in vm["message"]
    assert vm["message"].endswith("; its VM stays on a as it was placed")
    assert fates("--drain", "a")["vm"]["outcome"] == "Refused"


@pytest.mark.parametrize("how", REFUSED)
def test_the_vm_of_a_refused_spec_is_lost_with_its_node(files: Files, how: str) -> None:
    files.write("fleet.yaml", snapshot(*whole("a", "b"), *refused(how)))
    told = fates("--remove", "a")["vm"]
    assert (told["outcome"], told["after"]) == ("Refused", "")
    lost = "; its VM is lost with a, and placed nowhere until the spec is corrected"
    assert told["message"].endswith(lost)
    assert "stays" not in told["message"]


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("order", ["stopped", "deleted"])
def test_a_refused_workload_that_is_stopped_is_ended_all_the_same(
    files: Files, how: str, order: str
) -> None:
    found, bound = refused(how)
    if order == "stopped":
        found["spec"]["runState"] = "Stopped"
    else:
        found["metadata"]["deletionTimestamp"] = TIME
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    (vm,) = document("drain", "a", "--dry-run", *FLEET)["vms"]
    assert vm["outcome"] == "Ends"
    assert fates("--remove", "a")["vm"]["outcome"] == "Ends"


def test_a_workload_of_which_nothing_can_be_read_orders_nothing(files: Files) -> None:
    found, bound = refused("of a newer version")
    found["metadata"]["labels"] = ["none"]
    found["spec"]["runState"] = "Stopped"
    files.write("fleet.yaml", snapshot(*whole("a", "b"), found, bound))
    assert fates("--drain", "a")["vm"]["outcome"] == "Refused"
