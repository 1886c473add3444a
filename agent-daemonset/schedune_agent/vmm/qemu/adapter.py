"""QEMU behind the port that all VMMs share."""

from pathlib import Path

from schedune.api.vmworkload import Backend
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.guest_agent import agent_socket
from schedune_agent.vmm.port import LaunchInputs, LaunchPlan, VmPaths
from schedune_agent.vmm.qemu.argv import (
    monitor_socket,
    ready_socket,
    render_argv,
    second_monitor_socket,
)
from schedune_agent.vmm.qemu.line import line_socket
from schedune_agent.vmm.qemu.vm import QemuVm


class Qemu:
    """Plans launches of QEMU and takes hold of its processes."""

    backend = Backend.QEMU

    def control_socket(self, paths: VmPaths) -> Path:
        """Return the monitor's socket."""
        return monitor_socket(paths)

    def sockets(self, paths: VmPaths) -> tuple[Path, ...]:
        """Return the sockets of the monitors, of both ports into the guest and of the console."""
        monitors = monitor_socket(paths), second_monitor_socket(paths)
        return (*monitors, ready_socket(paths), agent_socket(paths), line_socket(paths))

    def plan(self, inputs: LaunchInputs) -> LaunchPlan:
        """Write a launch down: all of it is in the command line, paused at its start.

        Raises:
            PlanError: a path would be misread by QEMU, or is too long for a socket.
        """
        return LaunchPlan(
            inputs.binary, tuple(render_argv(inputs)), taps=tuple(inputs.taps.values())
        )

    def attach(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> QemuVm:
        """Take hold of a proved process."""
        return QemuVm(handle, paths, placement_uid)
