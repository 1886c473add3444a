"""The real agent process on a real API server, with many idle VMs, against one with none."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import psutil
from machine import CLUSTER
from steady import NODE, cpu_s, running_agent
from table import mebi, share, tell

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NODES, VMPLACEMENTS
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane
from schedune_testing.interrupted import leaving_no_vm
from schedune_testing.machines import Machine
from schedune_testing.vms import placement

_VMS: Final = 50
_SETTLE_S: Final = 25.0
_SECONDS: Final = 40.0
_PATIENCE_S: Final = 180.0


def tell_idle(plane: ControlPlane, machine: Machine, folder: Path) -> None:
    """Print what an agent with so many VMs needs, and what each of them adds."""
    images = machine.settings.image_roots[0]
    room = {"vcpus": _VMS, "memory": f"{_VMS}Gi"}
    agent_of_many = running_agent(plane, folder, images=images, capacity=room)
    # VMs outlive their agent, and an interrupted run does not come to their removal.
    with leaving_no_vm(CLUSTER, folder / "run"), agent_of_many as agent:
        time.sleep(_SETTLE_S)
        alone, without = _measure(agent)
        asyncio.run(_place(plane, machine))
        time.sleep(_SETTLE_S)
        cpu, rss = _measure(agent)
        tell("steady agent, no VM: CPU of a core", share(alone, _SECONDS))
        tell(f"steady agent, {_VMS} idle VMs: CPU of a core", share(cpu, _SECONDS), "<= 2 %")
        tell(f"steady agent, {_VMS} idle VMs: RSS", mebi(rss), "<= 120 MiB")
        each = (rss - without) / _VMS
        tell("agent overhead per VM", f"{each / 1024:.0f} KiB", "<= 256 KiB")
        asyncio.run(_remove(plane))


def _measure(agent: psutil.Process) -> tuple[float, int]:
    """Return CPU seconds of a while, and the most memory in it; VMs are not the agent's."""
    vms = [one for one in agent.children() if "qemu" in one.name()]
    if len(vms) not in {0, _VMS}:
        raise SystemExit(f"{len(vms)} of {_VMS} VMs run")
    before, most, began = cpu_s(agent), 0, time.monotonic()
    while time.monotonic() - began < _SECONDS:
        most = max(most, agent.memory_info().rss)
        time.sleep(1)
    return cpu_s(agent) - before, int(most)


async def _place(plane: ControlPlane, machine: Machine) -> None:
    """Bind them to the node as the operator does, and wait until all run."""
    admin = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(admin, field_manager="schedune-bench") as client:
        node = await client.get(NODES, NODE)
        token = await token_of(client, None, "schedune-operator")
        async with KubeClient(bearing(plane, token), field_manager="schedune-operator") as operator:
            for number in range(_VMS):
                await operator.create(VMPLACEMENTS, _body(machine, node, number), "default")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            listed, _ = await client.list(VMPLACEMENTS, "default")
            states = [one.get("status", {}).get("state") for one in listed]
            if states.count("Running") == _VMS:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"not all run: {states}")
            await asyncio.sleep(1)


def _body(machine: Machine, node: dict[str, Any], number: int) -> dict[str, Any]:
    launch = {"kernel": {"artifact": "still"}, "initrd": None}
    made = placement("unset", machine.facts.cpu.architecture, launch)
    spec = made.spec.render()
    spec |= {"nodeName": NODE, "nodeUID": node["metadata"]["uid"]}
    spec["workload"] = {"generation": 1, "uid": f"workload-{number}"}
    metadata = {"name": f"idle-{number}", "finalizers": ["schedune.io/vm"]}
    return {"apiVersion": made.api_version, "kind": made.kind, "metadata": metadata, "spec": spec}


async def _remove(plane: ControlPlane) -> None:
    """Delete them, and wait until the agent has ended them all."""
    admin = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(admin, field_manager="schedune-bench") as client:
        token = await token_of(client, None, "schedune-operator")
        async with KubeClient(bearing(plane, token), field_manager="schedune-operator") as operator:
            listed, _ = await client.list(VMPLACEMENTS, "default")
            for one in listed:
                metadata = one["metadata"]
                await operator.delete(
                    VMPLACEMENTS, metadata["name"], "default", uid=metadata["uid"]
                )
        deadline = time.monotonic() + _PATIENCE_S
        while (await client.list(VMPLACEMENTS, "default"))[0]:
            if time.monotonic() > deadline:
                raise SystemExit("not all ended")
            await asyncio.sleep(0.5)
