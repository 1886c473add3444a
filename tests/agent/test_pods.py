"""What ties a VM to its agent's pod: read from control groups as kernels and kubelets name them."""

from pathlib import Path

import pytest

from schedune_agent.system import pods

_POD = "/kubepods/besteffort/pod5c0e/1f2e"
_SYSTEMD = (
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5c0e.slice/cri-1f2e.scope"
)
_OWN = "/schedune/8d3c"


def proc(folder: Path, groups: dict[str, str], *, private: bool = False) -> Path:
    """A /proc in which these processes are in these groups, the first one and we among them."""
    for who, text in groups.items():
        (folder / who / "ns").mkdir(parents=True)
        (folder / who / "cgroup").write_text(text)
        (folder / who / "ns/cgroup").touch()
    if not private:
        (folder / "1/ns/cgroup").unlink()
        (folder / "1/ns/cgroup").hardlink_to(folder / "self/ns/cgroup")
    return folder


def v1(**groups: str) -> str:
    lines = [f"{number}:{name}:{path}" for number, (name, path) in enumerate(groups.items(), 1)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", [_POD, _SYSTEMD, "/k8s.io/1f2e", "/system.slice/k8s.io/1f2e"])
def test_a_process_in_a_pods_group_is_tied_whichever_driver_named_it(path: str) -> None:
    assert pods.pods_hierarchies(f"0::{path}\n", is_private=False) == ["unified"]


def test_one_forgotten_hierarchy_of_many_is_named() -> None:
    text = v1(memory=_OWN, devices=_POD, pids=_OWN) + f"4:name=systemd:{_OWN}\n0::{_OWN}\n"
    assert pods.pods_hierarchies(text, is_private=False) == ["devices"]


def test_a_group_that_only_sounds_like_a_pods_ties_nothing() -> None:
    assert pods.pods_hierarchies("0::/user.slice/my-kubepods/x\n", is_private=False) == []


def test_seen_from_within_a_container_its_own_root_is_the_pods_group() -> None:
    assert pods.pods_hierarchies("0::/\n", is_private=True) == ["unified"]
    assert pods.pods_hierarchies("0::/../../../schedune/8d3c\n", is_private=True) == []


def test_an_agent_on_the_node_itself_starts_vms_that_outlive_it(tmp_path: Path) -> None:
    found = proc(tmp_path, {"1": "0::/init.scope\n", "self": "0::/system.slice/schedune.service\n"})
    assert not pods.dies_with_pod(contained=False, proc=found)


def test_in_a_pod_only_groups_of_their_own_let_vms_outlive_it(tmp_path: Path) -> None:
    found = proc(tmp_path, {"1": "0::/init.scope\n", "self": f"0::{_POD}\n"})
    assert pods.dies_with_pod(contained=False, proc=found)
    assert not pods.dies_with_pod(contained=True, proc=found)


def test_a_pod_with_processes_of_its_own_takes_its_vms_along_whatever_their_groups(
    tmp_path: Path,
) -> None:
    found = proc(tmp_path, {"1": f"0::{_POD}\n", "self": f"0::{_POD}\n"})
    assert pods.dies_with_pod(contained=True, proc=found)


def test_a_process_that_is_gone_is_tied_to_nothing(tmp_path: Path) -> None:
    assert pods.ties_of(7, tmp_path) == []
