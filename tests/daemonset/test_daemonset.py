"""The agent of a real DaemonSet, as its manifest makes it: what it tells, and what it may."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schedune.codes.confinement import SHARED_USER
from schedune_agent.probes.kvm import _CHILD as KVM_CHILD
from schedune_testing.realnode.addresses import NAME
from schedune_testing.realnode.node import RealNode
from schedune_testing.realnode.processes import Seen, look
from schedune_testing.realnode.product import AGENTS, LEASES, Product, claims_of, workload

pytestmark = pytest.mark.timeout(900)
_SMALLEST = {
    "CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE",
}  # fmt: skip
"""Rights of the smallest agent that launches (docs/security.md)."""
_VM_USERS = range(64100, 64100 + 1024)
"""Those that the overlay sets aside."""


def as_agent(product: Product, verb: str, manifest: dict[str, Any]) -> tuple[int, str]:
    """Send a manifest by the token that is mounted into the agent's pod."""
    node = product.node
    done = node.machine.run(
        str(node.layout.kubectl),
        "--kubeconfig=/dev/null",
        f"--server={node.layout.server}",
        f"--certificate-authority={node.layout.authority}",
        f"--token={product.agents_token()}",
        verb,
        "--dry-run=server",
        "--validate=false",
        "-f",
        "-",
        stdin=json.dumps(manifest),
    )
    return done.returncode, done.stderr


def lease(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": LEASES}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}


def test_it_publishes_its_node_and_the_operator_vouches_for_it(product: Product) -> None:
    truth = product.await_truth()
    status = truth["status"]
    node = product.node.get("node", NAME)
    assert status["identity"]["nodeUID"] == node["metadata"]["uid"]
    assert truth["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
    assert product.node.get("-n", LEASES, "lease", NAME)


def test_it_speaks_by_the_short_lived_token_of_its_pod(product: Product) -> None:
    claims = claims_of(product.agents_token())
    told = claims["kubernetes.io"]
    assert told["node"]["name"] == NAME
    assert told["pod"]["name"] == product.agent_pod()
    assert claims["exp"] - claims["iat"] <= 600


def test_by_that_token_it_may_write_its_own_lease_and_no_other_nodes(product: Product) -> None:
    """Its own exists: to make it again is a conflict, which comes after all rights."""
    code, words = as_agent(product, "create", lease(NAME))
    assert code != 0
    assert "already exists" in words
    code, words = as_agent(product, "create", lease("node-2"))
    assert code != 0
    assert "belongs to node node-2, and only the agent there writes it" in words


def test_by_that_token_it_may_not_make_the_truth_of_another_node(product: Product) -> None:
    other = {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": "node-2"},
    }
    code, words = as_agent(product, "create", other)
    assert code != 0
    assert "belongs to node node-2, and only the agent there writes it" in words


def test_its_rights_are_those_of_the_smallest_launcher(product: Product) -> None:
    (pod,) = product.agent_pods()
    spec = pod["spec"]
    (container,) = spec["containers"]
    held = container["securityContext"]
    assert spec["hostPID"]
    assert not spec.get("hostNetwork")
    assert not spec.get("hostIPC")
    assert not held.get("privileged")
    assert held["readOnlyRootFilesystem"]
    assert held["capabilities"]["drop"] == ["ALL"]
    assert set(held["capabilities"]["add"]) == _SMALLEST


def test_with_these_rights_vms_get_groups_of_their_own_and_outlive_it(product: Product) -> None:
    identity = product.await_truth()["status"]["identity"]
    assert identity["containment"] == "Cgroup"
    assert identity["survival"] == "OutlivesAgent"


def test_without_being_privileged_it_says_of_kvm_what_the_node_itself_says(
    node: RealNode, product: Product
) -> None:
    """A pod's device group refuses to open the device; from a VM's own group it opens."""
    told = product.await_truth()["status"]["capabilities"]
    kvm = next(one for one in told if one["name"] == "kvm_vm_launch")
    said = node.machine.run("python3", "-I", "-S", str(KVM_CHILD), "/dev/kvm").stdout
    assert kvm["value"] == json.loads(said.splitlines()[-1])["verdict"]


def test_it_finds_the_nodes_qemu_not_one_of_its_image(node: RealNode, product: Product) -> None:
    status = product.await_truth()["status"]
    (backend,) = [one for one in status["backends"] if one["name"] == "QEMU"]
    digest = node.machine.run("sha256sum", backend["path"]).stdout.split()[0]
    assert backend["sha256"] == digest
    inside = node.kubectl("-n", AGENTS, "exec", product.agent_pod(), "--", "ls", backend["path"])
    assert inside.returncode != 0


def test_it_tells_who_the_machine_is_and_not_who_its_container_is(
    node: RealNode, product: Product
) -> None:
    status = product.await_truth()["status"]
    assert status["identity"]["machineID"] == node.machine.read("/etc/machine-id").strip()
    assert f'PRETTY_NAME="{status["os"]["name"]}"' in node.machine.read("/etc/os-release")


@pytest.fixture
def vm(product: Product) -> Iterator[Seen]:
    """The process of a VM, as its user's workload has it launched."""
    product.offer()
    product.apply(workload("small"))
    pid = product.await_state("small", "Running")["status"]["vmm"]["pid"]
    seen = look(product.node.machine, pid)
    assert seen is not None
    yield seen
    product.end("small")
    assert look(product.node.machine, pid) is None


def test_a_vm_is_a_user_of_its_own_and_has_no_capability(vm: Seen, product: Product) -> None:
    (user,) = set(vm.status("Uid").split())
    assert int(user) in _VM_USERS
    assert set(vm.status("Gid").split()) == {user}
    assert vm.status("Groups") == ""
    for held in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(vm.status(held), 16) == 0, held
    assert vm.status("NoNewPrivs") == "1"
    placement = product.placement("small")
    codes = {one["code"] for one in placement["status"]["trace"]}
    assert SHARED_USER.code not in codes
    place = f"/run/schedune/{placement['metadata']['uid']}"
    owner = product.node.machine.run("stat", "-c", "%u %a", place).stdout.split()
    assert owner == [user, "700"]
