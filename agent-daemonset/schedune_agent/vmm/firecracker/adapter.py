"""Firecracker behind the port that all VMMs share."""

from pathlib import Path

from schedune.api.vmworkload import Backend
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.firecracker.reach import reach_of
from schedune_agent.vmm.firecracker.requests import (
    api_socket,
    render_argv,
    render_requests,
)
from schedune_agent.vmm.firecracker.vm import FirecrackerVm
from schedune_agent.vmm.persistent import locked_for
from schedune_agent.vmm.port import LaunchInputs, LaunchPlan, VmPaths


class Firecracker:
    """Plans launches of Firecracker and takes hold of its processes."""

    backend = Backend.FIRECRACKER

    def control_socket(self, paths: VmPaths) -> Path:
        """Return the socket of its API."""
        return api_socket(paths)

    def plan(self, inputs: LaunchInputs) -> LaunchPlan:
        """Write a launch down: a bare command line, and all of the VM as requests.

        Raises:
            PlanError: Firecracker has not what the launch asks for.
        """
        argv, requests = render_argv(inputs), render_requests(inputs)
        locked = locked_for(self.backend, inputs.files.disks)
        taps = tuple(inputs.taps.values())
        return LaunchPlan(inputs.binary, argv, requests, taps, locked, reach_of(inputs))

    def attach(self, handle: ProcessHandle, paths: VmPaths, placement_uid: str) -> FirecrackerVm:
        """Take hold of a proved process."""
        return FirecrackerVm(handle, paths, placement_uid)
