"""Persistent disks are kept by their namespace's UID: one made anew has none of the old one's."""

import pytest

from schedune_testing.recordings import Files, Object, document, placed, snapshot, whole
from schedune_testing.recordings import workload as a_workload

ROOT = {
    "name": "root", "source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Persistent",
}  # fmt: skip
FLEET = ("--truth", "fleet.yaml")


def fleet(*more: Object, held_by: str = "old") -> Object:
    """Return two nodes of which the first is closed, and holds a disk of a namespace."""
    nodes = whole("a", "b")
    for one in nodes:
        if one["kind"] == "NodeTruth":
            one["status"]["capacity"]["disk"] = "100Gi"
    nodes[0]["spec"]["unschedulable"] = True
    nodes[1]["status"]["persistentDisks"] = [
        {"namespace": "default", "namespaceUID": held_by, "workload": "vm", "disk": "root",
         "sizeBytes": 2**30}
    ]  # fmt: skip
    return snapshot(*nodes, *more)


def namespace(uid: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "uid": uid}}


def answer(*arguments: str) -> tuple[str, str]:
    (one,) = document("explain", *FLEET, *arguments)["items"]
    return one["verdict"], one["chosen"]


def test_a_namespace_made_anew_is_not_held_back_by_the_disks_of_the_old_one(files: Files) -> None:
    files.write("fleet.yaml", fleet(namespace("new"), a_workload("vm", disks=[ROOT])))
    assert answer() == ("Eligible", "b")


def test_what_is_applied_is_in_the_namespace_that_was_recorded(files: Files) -> None:
    files.write("fleet.yaml", fleet(namespace("new")))
    files.write("vm.yaml", a_workload("vm", disks=[ROOT]))
    assert answer("-f", "vm.yaml") == ("Eligible", "b")
    told = document("simulate", *FLEET, "-f", "vm.yaml")["fates"]
    assert [(one["outcome"], one["after"]) for one in told] == [("Placed", "b")]


@pytest.mark.parametrize("recorded", [[namespace("old")], []], ids=["the same", "not recorded"])
def test_the_disk_of_the_same_namespace_is_where_the_vm_must_run(
    files: Files, recorded: list[Object]
) -> None:
    files.write("fleet.yaml", fleet(*recorded, a_workload("vm", disks=[ROOT])))
    assert answer() == ("NoEligibleNode", "")


@pytest.mark.parametrize(
    ("bound_in", "outcome"), [("new", "Moves"), ("old", "Stays")], ids=["of another", "its own"]
)
def test_a_drained_vm_is_held_back_by_the_disks_of_the_namespace_it_was_placed_for(
    files: Files, bound_in: str, outcome: str
) -> None:
    found, bound = placed("vm", "a", disks=[ROOT])
    bound["spec"]["workload"]["namespaceUID"] = bound_in
    files.write("fleet.yaml", fleet(namespace("old"), found, bound))
    (vm,) = document("drain", "a", "--dry-run", *FLEET)["vms"]
    assert vm["outcome"] == outcome
