"""The steps with a real VM on this machine: it runs, outlives its agent, powers down."""

import os
from pathlib import Path
from typing import Any, Final

import click
import yaml

from schedune.codes.execution import RECOVERY_CONFIRMED
from schedune.launch.capabilities import KVM
from schedune_lab.demo.fleet_steps import EXAMPLES
from schedune_lab.demo.report import Report
from schedune_lab.demo.world import (
    DemoLab,
    Kubectl,
    Object,
    StepError,
    claim,
    condition,
    processes_with,
    status_of,
    wait_for,
)

ANSWERED: Final = "R4"
_BOOT_S: Final = 240
_RETURN_S: Final = 90.0


def run_vm(lab: DemoLab, kubectl: Kubectl, report: Report) -> None:
    """A real guest boots on this machine and answers."""
    acceleration = _acceleration(kubectl.read("ntruth", lab.node))
    works, how = ("works", "under KVM") if acceleration == "KVM" else ("does not work", "emulated")
    click.echo(f"KVM {works} on this machine: the guest runs {how}.\n")
    manifest = yaml.safe_load((EXAMPLES / "hello.yaml").read_text())
    manifest["spec"]["acceleration"] = acceleration
    path = lab.state / "hello.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    kubectl.apply(path, "hello")
    kubectl.show("wait", "--for=condition=Ready", "vmworkload/hello", f"--timeout={_BOOT_S}s")
    kubectl.show("get", "vmworkloads,vmplacements,nodetruths")
    kubectl.show("describe", "vmworkload", "hello")
    placement = kubectl.read("vmplacement", "hello")
    status = status_of(placement)
    vmm, readiness = status.get("vmm", {}), status.get("readiness", {})
    report.vm = {
        "node": (placement or {}).get("spec", {}).get("nodeName"),
        "backend": (placement or {}).get("spec", {}).get("backend"),
        "acceleration": acceleration,
        "pid": vmm.get("pid"),
        "readiness": readiness.get("rung"),
    }
    click.echo(f"  pid             {vmm.get('pid')}")
    click.echo(f"  control socket  {vmm.get('controlSocket')}")
    click.echo(f"  readiness       {readiness.get('rung')}: the guest answered our nonce")
    click.echo(f"  guest boot id   {readiness.get('guestBootID')}\n")
    claim(report.vm["node"] == lab.node, f"it runs on {report.vm['node']}, not on {lab.node}")
    claim(readiness.get("rung") == ANSWERED, f"the guest has not answered: {readiness}")
    claim(readiness.get("guestBootID"), "the guest gave no boot id")
    claim(_runs(vmm.get("pid"), _uid(placement)), f"process {vmm.get('pid')} is not this VM")
    claim(Path(vmm["controlSocket"]).is_socket(), f"{vmm['controlSocket']} is no socket")


def _acceleration(truth: Object | None) -> str:
    capabilities = status_of(truth).get("capabilities", [])
    kvm: dict[str, Any] = next((one for one in capabilities if one["name"] == KVM), {})
    return "KVM" if kvm.get("state") == "Supported" else "Emulated"


def _uid(found: Object | None) -> str:
    return str((found or {}).get("metadata", {}).get("uid", ""))


def _runs(pid: object, uid: str) -> bool:
    return bool(uid) and pid in processes_with(uid)


def outlive_agent(lab: DemoLab, kubectl: Kubectl, report: Report) -> None:
    """The agent is killed; the VM runs on and is adopted by the next agent."""
    pid, uid = report.vm["pid"], _uid(kubectl.read("vmplacement", "hello"))
    before = lab.agent_pid(lab.node)
    click.echo(f"SIGKILL to the agent, process {before}.")
    lab.kill_agent(lab.node)
    claim(lab.agent_pid(lab.node) is None, "the agent still runs")
    claim(_runs(pid, uid), f"the VM, process {pid}, died with its agent")
    click.echo(f"The VM, process {pid}, runs on.")
    lab.start_agent(lab.node)
    after = wait_for("the agent runs again", lambda: lab.agent_pid(lab.node), 30)
    claim(after != before, "the agent was never killed")
    click.echo(f"The agent is started again, process {after}.\n")
    placement = wait_for("the VM is adopted", lambda: _adopted(kubectl), _RETURN_S)
    kubectl.show("wait", "--for=condition=Ready", "vmworkload/hello", "--timeout=60s")
    click.echo("From the placement's trace:\n")
    for entry in status_of(placement)["trace"][-6:]:
        line = f"  {entry['time']}  {entry['to']:<11} {entry['code']}  {entry.get('message', '')}"
        click.echo(line[:150])
    click.echo()
    report.vm["pidAfterAgentRestart"] = status_of(placement).get("vmm", {}).get("pid")
    claim(report.vm["pidAfterAgentRestart"] == pid, "the VM has another process now")
    claim(_runs(pid, uid), f"the VM, process {pid}, is gone")


def _adopted(kubectl: Kubectl) -> Object | None:
    placement = kubectl.read("vmplacement", "hello")
    codes = [entry["code"] for entry in status_of(placement).get("trace", [])]
    ready = condition(placement, "Ready").get("status") == "True"
    return placement if ready and RECOVERY_CONFIRMED.code in codes else None


def delete_vm(_lab: DemoLab, kubectl: Kubectl, report: Report) -> None:
    """Kubectl delete powers the guest down in order and leaves nothing behind."""
    placement = kubectl.read("vmplacement", "hello")
    uid, socket = _uid(placement), status_of(placement)["vmm"]["controlSocket"]
    follower = kubectl.follow("vmplacement", "hello")
    try:
        kubectl.show("delete", "vmworkload", "hello", "--timeout=120s")
        wait_for("the placement is gone", lambda: kubectl.read("vmplacement", "hello") is None, 90)
    finally:
        seen = follower.close()
    exits = [status_of(one)["lastExit"] for one in seen if status_of(one).get("lastExit")]
    if not exits:
        raise StepError("the placement never told how its VM ended")
    report.vm["stoppedBy"] = exits[-1]["reason"]
    click.echo(f"How it ended: {exits[-1]['reason']}. The guest's last lines:\n")
    for line in exits[-1].get("consoleTail", [])[-4:]:
        click.echo(f"  {line}")
    click.echo()
    claim(report.vm["stoppedBy"] == "GuestPoweredOff", f"it ended by {exits[-1]['reason']}")
    claim(not processes_with(uid), "a process of the VM is left")
    claim(not Path(socket).exists(), f"{socket} is left")
    claim(not os.path.lexists(Path(socket).parent), f"{Path(socket).parent} is left")
