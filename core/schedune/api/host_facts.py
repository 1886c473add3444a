"""Facts that a node's agent reads from its host's files; an unset one is unknown."""

from typing import Annotated, Literal

from pydantic import Field

from schedune.api.base import Quantity, StatusModel
from schedune.api.facts import ShortText

Word = Annotated[str, Field(max_length=64)]
Count = Annotated[int, Field(ge=0)]


class VulnerabilityFacts(StatusModel):
    """What the kernel says of the processor's vulnerabilities, by name; none says it of itself.

    In a virtual machine this is about the virtual processor.
    """

    not_affected: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    """The processor does not have them."""
    mitigated: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    """The kernel shields them."""
    partial: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    """The kernel shields them in part, for example not with SMT."""
    vulnerable: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    """Nothing shields them."""
    unknown: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    """The kernel does not know them, or says something that is not known here."""


class CPUFacts(StatusModel):
    """The processor."""

    architecture: Annotated[str, Field(max_length=16)]
    """amd64, arm64 or another name of kubernetes.io/arch; Unknown."""
    cores: Annotated[int, Field(ge=1)]
    """Logical CPUs that are online."""
    model: ShortText = ""
    """Model; on arm64 the name of the part."""
    vendor: ShortText = ""
    """Vendor; on arm64 the implementer."""
    midr: Word | None = None
    """The main identification register of an arm64 processor: implementer, part, revision."""
    sockets: Count | None = None
    """Processor packages."""
    physical_cores: Count | None = None
    """Cores, each with one or more logical CPUs."""
    flags: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=64)] = Field(
        default_factory=list
    )
    """Flags that matter for VMs: vmx, svm, hypervisor and the like."""
    vulnerabilities: VulnerabilityFacts | None = None
    """Known weaknesses and what shields them."""


class NumaNodeFact(StatusModel):
    """One NUMA node."""

    id: Annotated[int, Field(ge=0)]
    """Its number."""
    cpus: ShortText = ""
    """Its logical CPUs, as ranges: 0-7,16-23."""
    memory_bytes: Count | None = None
    """Its memory."""


class HugepageFact(StatusModel):
    """The pool of huge pages of one size."""

    size: Quantity
    """Size of a page."""
    total: Count
    """Pages in the pool."""
    free: Count
    """Pages that nobody uses or has reserved."""
    free_by_numa_node: Annotated[
        list[Annotated[str, Field(max_length=32)]], Field(max_length=64)
    ] = Field(default_factory=list)
    """Free pages of each NUMA node, as NODE=COUNT; reserved ones count as free here."""


class MemoryFacts(StatusModel):
    """The memory."""

    total_bytes: Annotated[int, Field(ge=0)]
    """All of it."""
    swap_bytes: Count | None = None
    """Swap space."""
    hugepages: Annotated[list[HugepageFact], Field(max_length=8)] = Field(default_factory=list)
    """Pools of huge pages that are not empty."""
    numa_nodes: Annotated[list[NumaNodeFact], Field(max_length=64)] = Field(default_factory=list)
    """NUMA nodes; none where the kernel knows of none."""
    ksm: Literal["Stopped", "Running", "Unmerging"] | None = None
    """Whether the kernel merges equal pages of VMs, which lets one VM learn of another's."""
    transparent_hugepages: Literal["Always", "OnRequest", "Never"] | None = None
    """Whether the kernel backs ordinary memory with huge pages."""


class AgentLimits(StatusModel):
    """What limits the agent's own cgroup, up to the root that the agent sees.

    VMs share these limits where they run in no cgroup of their own.
    """

    cgroups: Literal["V1", "V2", "Hybrid", "None"]
    """Version of the control groups."""
    memory_bytes: Count | None = None
    """Least memory limit; unset: none."""
    cpu_millis: Count | None = None
    """Least CPU limit in thousandths of a CPU; unset: none."""
    processes: Count | None = None
    """Least limit of processes and threads; unset: none."""


class FilesystemFact(StatusModel):
    """Room under one of our paths."""

    path: Annotated[str, Field(max_length=1024)]
    """The path."""
    purpose: Literal["Images", "Run", "State"]
    """What we use it for; overlays and persistent disks are under State."""
    total_bytes: Annotated[int, Field(ge=0)]
    """Size of the file system."""
    available_bytes: Annotated[int, Field(ge=0)]
    """Room left, in steps of 1Gi so that noise changes nothing."""
    inodes_available_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Inodes left of 100, in steps of 10; unset: the file system has no fixed number."""
    access: Literal["ReadWrite", "ReadOnly"]
    """Whether it can be written."""


class ClockFacts(StatusModel):
    """The clock; whether it is synchronized is a capability."""

    source: Word | None = None
    """What the kernel counts time with: tsc, kvm-clock, arch_sys_counter."""
    ahead_seconds: Annotated[int, Field(ge=-(2**40), le=2**40)] | None = None
    """How far the clock is ahead of the API server's, negative: behind; under 2 s it is 0."""


class OSFacts(StatusModel):
    """The operating system, and the machine that it runs on."""

    hostname: ShortText
    """Host name; not an identity."""
    kernel: ShortText
    """Kernel release."""
    name: ShortText
    """Distribution."""
    machine: Literal["Physical", "Virtual"] | None = None
    """Whether the node is a virtual machine itself."""
    machine_vendor: ShortText | None = None
    """Maker of the machine, or of the virtual machine (DMI)."""
    machine_product: ShortText | None = None
    """Product name of the machine (DMI)."""
    io_uring: Literal["Enabled", "Restricted", "Disabled"] | None = None
    """Who may use io_uring; VMMs fall back to slower input and output without it."""
    pid_max: Count | None = None
    """Most process ids; few mean that ids come back fast."""
