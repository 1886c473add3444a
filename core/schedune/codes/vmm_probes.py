"""Rows about the VMM binaries of a node."""

from typing import Final

from schedune.codes.row import observed

CAP_CLOUD_HYPERVISOR_PRESENT: Final = observed(
    "CAP_CLOUDHYPERVISOR_BINARY_PRESENT",
    "CloudHypervisorPresent",
    "it told its version",
    "The binary gave its version in the form that its releases use.",
)
CAP_CLOUD_HYPERVISOR_MISSING: Final = observed(
    "CAP_CLOUDHYPERVISOR_BINARY_MISSING",
    "CloudHypervisorAbsent",
    "no {observed} on this node",
    "No Cloud Hypervisor on the search path.",
    "install Cloud Hypervisor, or name its folder in the agent's `searchPath`",
)
CAP_FIRECRACKER_PRESENT: Final = observed(
    "CAP_FIRECRACKER_BINARY_PRESENT",
    "FirecrackerPresent",
    "it told its version",
    "The binary gave its version in the form that its releases use.",
)
CAP_FIRECRACKER_MISSING: Final = observed(
    "CAP_FIRECRACKER_BINARY_MISSING",
    "FirecrackerAbsent",
    "no {observed} on this node",
    "No Firecracker on the search path.",
    "install Firecracker, or name its folder in the agent's `searchPath`",
)
CAP_FIRECRACKER_FUZZING: Final = observed(
    "CAP_FIRECRACKER_FUZZING_BUILD",
    "FirecrackerFuzzingBuild",
    "it is a build for fuzzing: {observed}",
    "Its version says that it was built with weakened checks.",
    "install a release build",
)
CAP_VMM_UNTRUSTED: Final = observed(
    "CAP_VMM_BINARY_UNTRUSTED",
    "BinaryUntrusted",
    "others could replace it: {observed}",
    "The binary or a folder above it belongs to, or can be written by, others than root (and the"
    " agent's own user, where that is not root).",
    "chown the named file or folder to root and take the write permission from group and others",
)
CAP_VMM_NO_PROGRAM: Final = observed(
    "CAP_VMM_BINARY_NO_PROGRAM",
    "BinaryNoProgram",
    "what has its name is no program: {observed}",
    "Under the binary's name there is a folder, a FIFO, or a file without the right to run it.",
    "remove what is there, or install the binary over it",
)
CAP_VMM_UNANSWERED: Final = observed(
    "CAP_VMM_BINARY_UNANSWERED",
    "BinaryUnanswered",
    "it is there but did not tell its version: {observed}",
    "`--version` hung, failed, flooded, or said something else than its releases say.",
    "run the binary by hand",
)
