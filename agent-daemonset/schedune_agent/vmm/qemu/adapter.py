"""QEMU behind the port that all VMMs share."""

from pathlib import Path

from schedune.api.vmworkload import Backend
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.port import LaunchInputs, LaunchPlan, VmPaths
from schedune_agent.vmm.qemu.argv import (
    monitor_socket,
    render_argv,
)
from schedune_agent.vmm.qemu.vm import QemuVm


class Qemu:
    """Plans launches of QEMU and takes hold of its processes."""

    backend = Backend.QEMU

    def control_socket(self, paths: VmPaths) -> Path:
        """Return the monitor's socket."""
        return monitor_socket(paths)

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
