"""Cloud Hypervisor behind the port that all VMMs share."""

from pathlib import Path

from schedune.api.vmworkload import Backend
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm.cloud_hypervisor.requests import (
    api_socket,
    render_argv,
    render_requests,
)
from schedune_agent.vmm.cloud_hypervisor.vm import CloudHypervisorVm
from schedune_agent.vmm.port import LaunchInputs, LaunchPlan, VmPaths


class CloudHypervisor:
    """Plans launches of Cloud Hypervisor and takes hold of its processes."""

    backend = Backend.CLOUD_HYPERVISOR

    def control_socket(self, paths: VmPaths) -> Path:
        """Return the API's socket."""
        return api_socket(paths)

    def plan(self, inputs: LaunchInputs) -> LaunchPlan:
        """Write a launch down: sockets on the command line, everything else in requests.

        Raises:
            PlanError: it cannot be written down safely, or asks for what this VMM has not.
        """
        argv, requests = render_argv(inputs), render_requests(inputs)
        return LaunchPlan(inputs.binary, argv, requests, tuple(inputs.taps.values()))

    def attach(
        self, handle: ProcessHandle, paths: VmPaths, placement_uid: str
    ) -> CloudHypervisorVm:
        """Take hold of a proved process; who it is it says by its pid."""
        del placement_uid
        return CloudHypervisorVm(handle, paths)
