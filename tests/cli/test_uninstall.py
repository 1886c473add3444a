"""``schedune uninstall --check``: whether Schedune can go, and what has to go before it."""

from typing import Any

from schedune_testing.recordings import (
    Files,
    Object,
    document,
    lease,
    node,
    placed,
    run,
    snapshot,
    truth,
    whole,
)

ASKED = ("uninstall", "--check", "--truth", "fleet.yaml")
SILENT = "2026-11-24T11:00:00Z"
LIVE = {"placementUID": "p-web", "workloadUID": "w-web", "namespace": "default", "name": "web"}
ORPHAN = {
    "class": "leaked", "pid": 7, "startTime": 70, "bootID": "b", "message": "QEMU with pid 7",
}  # fmt: skip
DISK = {
    "namespace": "shop", "namespaceUID": "n", "workload": "db", "disk": "data",
    "sizeBytes": 3 * 2**30,
}  # fmt: skip


def asked(files: Files, *objects: Object) -> tuple[int, list[Any]]:
    """Return the exit status and the steps."""
    files.write("fleet.yaml", snapshot(*objects))
    return run(*ASKED).exit_code, document(*ASKED)["steps"]


def silent() -> list[Object]:
    """Return a node that was last heard of an hour ago."""
    return [node("a"), truth("a", observedTime=SILENT), lease("a", renewed=SILENT)]


def states(steps: list[Any]) -> list[str]:
    return [one["state"] for one in steps]


def test_a_cluster_on_which_nothing_runs_is_clear_and_the_rest_is_told_in_order(
    files: Files,
) -> None:
    status, steps = asked(files, *whole("a", "b"))
    assert (status, states(steps)) == (0, ["Done", "Done", "Done", "Last", "Last"])
    assert [one["command"] for one in steps] == [
        "", "", "",
        "kubectl delete -f install.yaml",
        "systemctl disable --now schedune-vms.service; rm -rf"
        " /etc/systemd/system/schedune-vms.service /run/schedune /var/lib/schedune /opt/schedune",
    ]  # fmt: skip
    assert "it can be removed" in run(*ASKED).stdout


def test_a_vm_that_runs_keeps_schedune_there(files: Files) -> None:
    status, steps = asked(files, *whole("a"), *placed("web", "a"))
    assert (status, states(steps)[:3]) == (1, ["ToDo", "ToDo", "Done"])
    assert steps[0]["command"].startswith("kubectl delete vmworkloads --all")
    assert steps[0]["found"][0]["what"] == "VMWorkload default/web"
    (waits,) = steps[1]["found"]
    assert (waits["what"], waits["told"]) == ("VMPlacement default/web on a", "Running")
    assert waits["remedy"] == ""
    assert "begin with the first step that is not done" in run(*ASKED).stdout


def test_a_placement_says_that_it_is_held_until_the_end_is_proved(files: Files) -> None:
    _, bound = placed("web", "a")
    bound["metadata"]["finalizers"] = ["schedune.io/vm"]
    _, steps = asked(files, *whole("a"), bound)
    assert steps[1]["found"][0]["told"] == "Running, held until its agent proves the end"
    assert states(steps)[0] == "Done"


def test_for_a_vm_on_a_silent_node_somebody_has_to_speak(files: Files) -> None:
    status, steps = asked(files, *silent(), *placed("web", "a"))
    (waits,) = steps[1]["found"]
    assert status == 1
    assert "nobody has vouched for its facts since 2026-11-24T11:00:00Z" in waits["told"]
    assert "schedune release default/web --asserted-by NAME" in waits["remedy"]
    assert states(steps)[2] == "Unknown"


def test_what_a_silent_node_runs_is_unknown_though_its_last_word_was_nothing(files: Files) -> None:
    status, steps = asked(files, *silent())
    assert (status, states(steps)[:3]) == (1, ["Done", "Done", "Unknown"])
    assert "whether VMs run there is unknown" in steps[2]["found"][0]["told"]


def test_a_vm_of_a_placement_that_is_gone_is_found_by_what_its_node_tells(files: Files) -> None:
    told = [node("a"), truth("a", liveVMs=[LIVE], orphans=[ORPHAN]), lease("a")]
    status, steps = asked(files, *told)
    assert (status, states(steps)[:3]) == (1, ["Done", "Done", "ToDo"])
    assert [one["what"] for one in steps[2]["found"]] == ["VM default/web on a", "process 7 on a"]
    assert steps[2]["command"] == "schedune orphans"


def test_a_vmm_that_is_not_ours_holds_nothing_back(files: Files) -> None:
    told = [node("a"), truth("a", orphans=[{**ORPHAN, "class": "unmanaged"}]), lease("a")]
    _, steps = asked(files, *told)
    assert (states(steps)[2], steps[2].get("found", [])) == ("Done", [])


def test_a_vm_with_its_placement_is_told_once(files: Files) -> None:
    told = [node("a"), truth("a", liveVMs=[LIVE]), lease("a")]
    _, steps = asked(files, *told, *placed("web", "a"))
    assert states(steps)[:3] == ["ToDo", "ToDo", "Done"]


def test_a_placement_on_a_node_that_is_gone_names_the_way_out(files: Files) -> None:
    _, steps = asked(files, *whole("b"), *placed("web", "a"))
    (waits,) = steps[1]["found"]
    assert "there is no such Node" in waits["told"]
    assert "schedune release default/web" in waits["remedy"]


def test_data_that_goes_with_the_folders_of_a_node_is_named_before(files: Files) -> None:
    status, steps = asked(files, node("a"), truth("a", persistentDisks=[DISK]), lease("a"))
    assert status == 0
    (found,) = steps[4]["found"]
    assert (found["what"], found["told"]) == ("Persistent disk data of shop/db on a", "3.0 GiB")


def test_a_node_on_which_there_never_was_an_agent_stands_in_no_ones_way(files: Files) -> None:
    status, steps = asked(files, *whole("a"), node("control-plane"))
    assert (status, states(steps)[2]) == (0, "Done")


def test_it_removes_nothing_and_says_so_where_it_is_told_to() -> None:
    told = run("uninstall")
    assert told.exit_code == 2
    assert "say --check" in told.stderr


def test_what_cannot_be_read_may_be_a_vm_and_is_no_leave_to_go(files: Files) -> None:
    newer = truth("a", spec={"knob": 1}, liveVMs=[LIVE])
    status, steps = asked(files, node("a"), newer, lease("a"), *whole("b"))
    assert (status, states(steps)[:3]) == (2, ["Done", "Done", "Unknown"])
    (found,) = steps[2]["found"]
    assert found["what"] == "Node a"
    assert "whether VMs run there is unknown" in found["told"]
    told = run(*ASKED)
    assert "it can be removed" not in told.stdout
    assert "knob" in told.stderr


def test_a_placement_that_cannot_be_read_is_still_to_be_waited_for(files: Files) -> None:
    _, bound = placed("web", "a")
    bound["spec"]["knob"] = 1
    status, steps = asked(files, *whole("a"), bound)
    assert (status, states(steps)[:3]) == (2, ["Done", "ToDo", "Done"])
    (found,) = steps[1]["found"]
    assert (found["what"], found["told"]) == (
        "VMPlacement default/web", "it cannot be read: whether its VM runs is unknown",
    )  # fmt: skip


def test_whatever_else_cannot_be_read_is_no_leave_to_go_either(files: Files) -> None:
    beat = lease("a")
    beat["spec"]["leaseDurationSeconds"] = "long"
    status, steps = asked(files, node("a"), truth("a"), beat)
    assert (status, states(steps)[:3]) == (2, ["Done", "Done", "Done"])
    assert "Not yet: what cannot be read may be a VM." in run(*ASKED).stdout
