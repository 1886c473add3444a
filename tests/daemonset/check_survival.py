"""A VM of a real DaemonSet: it outlives its agent's pods, and the next agent adopts it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from schedune.codes.execution import RECOVERY_CONFIRMED, VM_TIED_TO_POD
from schedune_testing.realnode.processes import Seen, look
from schedune_testing.realnode.product import AGENTS, SYSTEM, Object, Product, until, workload

pytestmark = pytest.mark.timeout(1200)
_TICK = re.compile(r"^schedune-guest: tick (\d+)\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Vm:
    """A VM whose guest ticks on its console."""

    product: Product
    seen: Seen
    uid: str

    def placement(self) -> Object:
        return self.product.placement("ticking")

    def ticks(self) -> int:
        """Return the newest tick that an agent has kept."""
        return max(map(int, _TICK.findall(self.product.console(self.placement()))), default=0)


@pytest.fixture(scope="module")
def vm(product: Product) -> Iterator[Vm]:
    """Launch it, by a workload as any user has."""
    product.offer()
    product.apply(workload("ticking", command_line="schedune.test=tick"))
    placement = product.await_state("ticking", "Running")
    pid = placement["status"]["vmm"]["pid"]
    seen = look(product.node.machine, pid)
    assert seen is not None
    found = Vm(product, seen, placement["metadata"]["uid"])
    until("the guest ticks", found.ticks)
    yield found
    product.node.do("delete", "vmworkload", "ticking", "--timeout=180s")
    until("its process ends", lambda: look(product.node.machine, pid) is None)


def test_it_is_in_no_control_group_of_a_pod(vm: Vm) -> None:
    assert vm.seen.groups
    assert all(one == f"/schedune/{vm.uid}" for one in vm.seen.groups)


def test_it_lives_in_the_nodes_namespaces(vm: Vm) -> None:
    assert all(vm.seen.shares_with_node().values()), vm.seen.shares_with_node()


def test_it_keeps_nothing_of_the_pod_neither_files_nor_token(vm: Vm) -> None:
    assert vm.seen.tokens_in_reach() == []
    opened = list(vm.seen.open_files())
    assert opened
    assert not [one for one in opened if "secrets" in one or "overlay" in one]


def test_it_holds_no_right_of_its_agent(vm: Vm) -> None:
    assert int(vm.seen.status("CapEff"), 16) == 0
    assert vm.seen.status("NoNewPrivs") == "1"
    assert vm.seen.status("Seccomp") == "2"
    assert vm.seen.oom_score_adj() == 0


def delete_pod(product: Product) -> None:
    product.node.do("-n", AGENTS, "delete", "pod", product.agent_pod(), "--timeout=60s")


def restart_rollout(product: Product) -> None:
    product.node.do("-n", AGENTS, "rollout", "restart", "ds/schedune-agent")


def upgrade_image(product: Product) -> None:
    product.node.tag_images("0.1.1")
    product.install("0.1.1")


def kill_agent(product: Product) -> None:
    (pod,) = product.agent_pods()
    uid = pod["metadata"]["uid"]
    script = f"grep -l pod{uid} /proc/[0-9]*/cgroup | xargs grep -l . | cut -d/ -f3"
    pids = product.node.machine.run("sh", "-c", script).stdout.split()
    agents = [one for one in pids if "schedune-agent" in command(product, int(one))]
    assert agents
    product.node.machine.run("kill", "-KILL", *agents)


def command(product: Product, pid: int) -> str:
    try:
        return product.node.machine.read(f"/proc/{pid}/cmdline")
    except OSError:
        return ""


@pytest.mark.parametrize("end", [delete_pod, restart_rollout, upgrade_image, kill_agent])
def test_it_outlives_its_agents_pod_and_the_next_agent_adopts_it(
    vm: Vm, product: Product, end: Callable[[Product], None]
) -> None:
    before, ticks = product.agent_pods()[0], vm.ticks()
    end(product)
    until("another agent runs", lambda: is_another(before, product))
    product.await_rollout()
    assert_same_vm(vm)
    until("its console goes on", lambda: vm.ticks() > ticks + 2)
    until("it is ready", lambda: vm.placement()["status"]["state"] == "Running")
    codes = [one["code"] for one in vm.placement()["status"]["trace"]]
    assert RECOVERY_CONFIRMED.code in codes
    assert vm.placement()["metadata"]["uid"] == vm.uid
    assert vm.placement()["status"]["incarnation"] == 1


def is_another(before: Object, product: Product) -> bool:
    """Say whether another container runs than before."""

    def container(pod: Object) -> tuple[str, str]:
        (status,) = pod["status"].get("containerStatuses") or [{}]
        return pod["metadata"]["uid"], status.get("containerID", "")

    pods = product.agent_pods()
    running = [one for one in pods if one["status"]["phase"] == "Running"]
    return any(container(one) != container(before) and container(one)[1] for one in running)


def assert_same_vm(vm: Vm) -> None:
    now = look(vm.product.node.machine, vm.seen.pid)
    assert now is not None, "the VM's process is gone"
    assert now.start_time == vm.seen.start_time
    assert vm.placement()["status"]["vmm"]["pid"] == vm.seen.pid


def test_it_outlives_the_kubelet_and_pods_are_not_touched(vm: Vm, product: Product) -> None:
    machine, pod, ticks = product.node.machine, product.agent_pod(), vm.ticks()
    kubelet = machine.pid_of("kubelet")
    machine.run("kill", "-TERM", str(kubelet))
    until("another kubelet runs", lambda: machine.pid_of("kubelet") != kubelet)
    until("the node is ready", lambda: "Ready" in product.node.do("get", "node", "--no-headers"))
    until("its console goes on", lambda: vm.ticks() > ticks + 2)
    assert_same_vm(vm)
    assert product.agent_pod() == pod


def test_after_all_that_no_pod_is_left_that_cannot_end(vm: Vm, product: Product) -> None:
    pods = product.node.get("pods", "-A")["items"]
    assert not [one["metadata"]["name"] for one in pods if one["metadata"].get("deletionTimestamp")]
    assert len(pods) == len(product.agent_pods()) + 2, "the operator's two"
    assert product.node.get("-n", SYSTEM, "deploy", "schedune-operator")


def test_a_vm_that_stays_in_its_pods_groups_is_told_of_and_ends_with_the_pod(
    vm: Vm, product: Product
) -> None:
    product.install("0.1.1", containment="Session")
    until(
        "it is told", lambda: product.truth()["status"]["identity"]["survival"] == "DiesWithAgent"
    )
    product.apply(workload("tied"))
    placement = product.await_state("tied", "Running")
    assert placement["status"]["vmm"]["survival"] == "DiesWithAgent"
    (told,) = [one for one in placement["status"]["trace"] if one["code"] == VM_TIED_TO_POD.code]
    assert "devices" in told["message"] or "unified" in told["message"]
    assert vm.placement()["status"]["vmm"]["survival"] == "OutlivesAgent"

    delete_pod(product)
    product.await_rollout()
    product.await_state("tied", "Exited")
    assert look(product.node.machine, placement["status"]["vmm"]["pid"]) is None
    assert_same_vm(vm)
    product.node.do("delete", "vmworkload", "tied", "--timeout=60s")
    product.install("0.1.1")
