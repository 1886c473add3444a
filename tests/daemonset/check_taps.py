"""Taps of a real DaemonSet: made in the node's network, or refused with a cause."""

from collections.abc import Iterator

import pytest

from schedune.codes.device_probes import CAP_FIRECRACKER_TUN_READY, CAP_NET_ADMIN_MISSING
from schedune.codes.networks import NODE_PORT_TAKEN
from schedune.launch.guest_identity import mac_address
from schedune.launch.traits import TUN
from schedune_lab.machine import ensure_busybox
from schedune_testing.realnode.processes import look
from schedune_testing.realnode.product import AGENTS, Object, Product, until, workload

pytestmark = pytest.mark.timeout(1200)
BRIDGE, ADDRESS = "vms0", "10.0.2.2/24"
LAN = {"name": "lan", "type": "Tap", "tap": {"bridge": BRIDGE}}
GREETING = "import socket; print(socket.create_connection(('{}', {}), 5).makefile().readline())"


@pytest.fixture(scope="module", autouse=True)
def bridge(product: Product) -> Iterator[None]:
    """A bridge of the node's, made as its administrator makes one."""
    product.offer()
    busybox = str(ensure_busybox())
    for line in (
        f"link add {BRIDGE} type bridge",
        f"addr add {ADDRESS} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ):
        product.node.machine.run(busybox, "ip", *line.split())
    until("the node tells of it", lambda: BRIDGE in bridges(product))
    yield
    product.node.machine.run(busybox, "ip", "link", "del", BRIDGE)


@pytest.fixture(scope="module")
def taps(product: Product) -> Iterator[None]:
    """Have agents make taps, by the component."""
    product.install(components=["taps"])
    until("the agent says so", lambda: capability(product)["state"] == "Supported")
    yield
    product.install()
    until("it makes none again", lambda: capability(product)["state"] == "Unavailable")


def bridges(product: Product) -> list[str]:
    return [one["name"] for one in product.truth()["status"].get("networks", ())]


def capability(product: Product) -> Object:
    told = product.truth()["status"]["capabilities"]
    return next(one for one in told if one["name"] == TUN)


def ports(product: Product) -> list[str]:
    """Return what is on the bridge, as the node sees it."""
    return product.node.machine.run("ls", f"/sys/class/net/{BRIDGE}/brif").stdout.split()


def greeting(product: Product, address: str, port: int) -> str:
    """Return what a guest says to whoever connects from the node."""
    said = product.node.machine.run("python3", "-c", GREETING.format(address, port))
    return said.stdout.strip()


def test_without_the_right_a_node_says_why_it_makes_no_taps_and_gets_no_vm_that_wants_one(
    product: Product,
) -> None:
    told = capability(product)
    assert (told["state"], told["reasonCode"]) == ("Unavailable", CAP_NET_ADMIN_MISSING.code)
    product.apply(workload("unwired", networks=[LAN]))

    def codes() -> set[str]:
        status = product.node.get("vmworkload", "unwired").get("status", {})
        return {one["code"] for one in status.get("evaluation", {}).get("codes", ())}

    until("it is told", lambda: "REJECT_CAPABILITY_DENIED" in codes())
    assert "REJECT_BRIDGE_MISSING" not in codes()
    assert not product.placement("unwired")
    product.end("unwired")


@pytest.mark.usefixtures("taps")
def test_with_it_a_guest_is_a_station_on_the_nodes_bridge_and_outlives_its_agents_pod(
    product: Product,
) -> None:
    assert capability(product)["reasonCode"] == CAP_FIRECRACKER_TUN_READY.code
    product.apply(workload("wired", command_line="schedune.test=network", networks=[LAN]))
    pid = product.await_state("wired", "Running")["status"]["vmm"]["pid"]
    seen = look(product.node.machine, pid)
    assert seen is not None
    (tap,) = ports(product)
    said = until("the guest answers", lambda: greeting(product, "10.0.2.15", 7))
    uid = product.node.get("vmworkload", "wired")["metadata"]["uid"]
    assert said == f"schedune-guest: {mac_address(uid, 'lan')}"
    assert int(seen.status("CapEff"), 16) == 0
    in_pod = product.node.do(
        "-n", AGENTS, "exec", product.agent_pod(), "--", "cat", "/proc/net/dev"
    )
    assert "eth0" in in_pod
    assert tap not in in_pod

    product.node.do("-n", AGENTS, "delete", "pod", product.agent_pod(), "--timeout=60s")
    product.await_rollout()
    product.await_state("wired", "Running")
    assert ports(product) == [tap]
    assert until("the guest answers still", lambda: greeting(product, "10.0.2.15", 7)) == said

    product.end("wired")
    assert ports(product) == []
    assert look(product.node.machine, pid) is None


def forwarding(name: str, node_port: int) -> Object:
    """Return a VM that is ready once its guest greets on a port of the node."""
    forward = {"name": "hello", "nodePort": node_port, "guestPort": 7}
    nat = {"name": "nat", "type": "User", "user": {"portForwards": [forward]}}
    ready = {"level": "Guest", "probe": {"type": "TCP", "port": 7}, "timeoutSeconds": 120}
    return workload(name, command_line="schedune.test=network", networks=[nat], readiness=ready)


def test_a_guest_that_greets_on_a_port_of_the_node_is_ready(product: Product) -> None:
    """The pod has ports of its own, where nobody answers: the node's are meant."""
    product.apply(forwarding("greets", 8707))
    product.await_state("greets", "Running")
    assert greeting(product, "127.0.0.1", 8707).startswith("schedune-guest: ")
    product.end("greets")


def test_a_port_on_which_a_program_of_the_node_listens_is_refused(product: Product) -> None:
    """The kubelet's: the pod itself could have it."""
    product.apply(forwarding("late", 10250))

    def refusals() -> set[str]:
        history = product.node.get("vmworkload", "late").get("status", {}).get("history", ())
        return {one.get("code", "") for one in history}

    until("it is refused", lambda: NODE_PORT_TAKEN.code in refusals())
    product.end("late")
