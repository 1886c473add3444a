"""Rows of alarms: what is wrong on a node right now. Their sentences hold no measured number.

A number would change the facts with every breath of the machine.
"""

from typing import Final

from schedune.codes.row import observed as _row

ALARM_CPU_PRESSURE: Final = _row(
    "ALARM_CPU_PRESSURE",
    "CPUPressure",
    "processes have been waiting for a CPU for minutes",
    "PSI: some process waits for a CPU most of the time.",
    "offer VMs fewer vCPUs, or move work away",
)
ALARM_LOAD_HIGH: Final = _row(
    "ALARM_LOAD_HIGH",
    "LoadHigh",
    "far more processes want to run than there are CPUs",
    "The load of five minutes is several times the CPUs; only where the kernel has no PSI.",
    "offer VMs fewer vCPUs, or move work away",
)
ALARM_MEMORY_LOW: Final = _row(
    "ALARM_MEMORY_LOW",
    "MemoryLow",
    "hardly any memory is available",
    "MemAvailable is a few hundredths of the memory.",
    "offer VMs less memory, or move work away",
)
ALARM_MEMORY_PRESSURE: Final = _row(
    "ALARM_MEMORY_PRESSURE",
    "MemoryPressure",
    "processes wait for memory",
    "PSI: every process waits for memory part of the time.",
    "offer VMs less memory, or move work away",
)
ALARM_MEMORY_STALLED: Final = _row(
    "ALARM_MEMORY_STALLED",
    "MemoryStalled",
    "the node does little but wait for memory",
    "PSI: every process waits for memory most of the time.",
    "find what uses the memory and end it",
)
ALARM_IO_PRESSURE: Final = _row(
    "ALARM_IO_PRESSURE",
    "IOPressure",
    "processes wait for disks most of the time",
    "PSI: every process waits for input or output most of the time.",
    "move disk-heavy work away",
)
ALARM_DISK_LOW: Final = _row(
    "ALARM_DISK_LOW",
    "DiskLow",
    "little room is left under {observed}",
    "A file system of ours is nearly full.",
    "remove what is not needed there, or make the file system larger",
)
ALARM_DISK_FULL: Final = _row(
    "ALARM_DISK_FULL",
    "DiskFull",
    "no room is left under {observed}",
    "The file system of the run or state directory is full.",
    "remove what is not needed there, or make the file system larger",
)
ALARM_INODES_LOW: Final = _row(
    "ALARM_INODES_LOW",
    "InodesLow",
    "few inodes are left under {observed}",
    "A file system of ours can hold hardly any more files.",
    "remove small files there",
)
ALARM_DIRECTORY_UNUSABLE: Final = _row(
    "ALARM_DIRECTORY_UNUSABLE",
    "DirectoryUnusable",
    "the agent cannot write to {observed}",
    "The run or state directory is read-only, denied or does not answer.",
    "see capability run_directory_writable or state_directory_writable",
)
ALARM_FILESYSTEM_ERRORS: Final = _row(
    "ALARM_FILESYSTEM_ERRORS",
    "FilesystemErrors",
    "the kernel found errors in the file system on {observed}",
    "ext4 counted errors since the last fsck.",
    "check the file system with fsck, and the disk's own health",
)
ALARM_ARRAY_DEGRADED: Final = _row(
    "ALARM_ARRAY_DEGRADED",
    "ArrayDegraded",
    "a disk is missing from the array {observed}",
    "A software RAID runs with fewer disks than it should.",
    "replace the disk and let the array rebuild",
)
ALARM_DISK_OFFLINE: Final = _row(
    "ALARM_DISK_OFFLINE",
    "DiskOffline",
    "the disk {observed} does not answer the kernel",
    "The kernel says that a disk is offline or dead.",
    "look at the disk and its cable",
)
ALARM_TEMPERATURE_HIGH: Final = _row(
    "ALARM_TEMPERATURE_HIGH",
    "TemperatureHigh",
    "{observed} is nearly as hot as it may be",
    "A sensor is within few degrees of its critical point.",
    "look at fans and air flow",
)
ALARM_TEMPERATURE_CRITICAL: Final = _row(
    "ALARM_TEMPERATURE_CRITICAL",
    "TemperatureCritical",
    "{observed} is as hot as it may be: the machine may switch off",
    "A sensor is at its critical point.",
    "move the VMs away and look at the cooling",
)
ALARM_CLOCK_UNSYNCHRONIZED: Final = _row(
    "ALARM_CLOCK_UNSYNCHRONIZED",
    "ClockNotSynchronized",
    "nothing keeps the clock right, and guests take their time from it",
    "adjtimex(2) has said for minutes that the clock is not synchronized.",
    "run chrony or another NTP client on the node",
)
ALARM_CLOCK_SKEWED: Final = _row(
    "ALARM_CLOCK_SKEWED",
    "ClockSkewed",
    "the clock and the API server's differ by seconds",
    "The Date of the API server's answers and the node's clock differ.",
    "set the node's clock, or the control plane's, whichever is wrong",
)
ALARM_MEMORY_LIMITED: Final = _row(
    "ALARM_MEMORY_LIMITED",
    "MemoryLimited",
    "VMs share the memory limit of the agent's own cgroup, which is less than what is offered",
    "VMs run in no cgroup of their own, and the agent's limit is below the configured capacity.",
    "let the agent make cgroups (launch manifests), or raise its memory limit",
)
ALARM_ORPHANS_NOT_SWEPT: Final = _row(
    "ALARM_ORPHANS_NOT_SWEPT",
    "OrphansNotSwept",
    "VMs that no placement accounts for are not all looked for, or what ended ones left stays:"
    " {observed}",
    "Sweeps for orphans fail, one after the other. What they still see is told, but what they do"
    " not may run, and nothing that is gone is given back.",
    "see the agent's log for orphans.not-swept and orphans.sweep-failed, and give it the right"
    " that it lacks",
)
ALARM_PROBE_FAILING: Final = _row(
    "ALARM_PROBE_FAILING",
    "ProbeFailing",
    "the probe {observed} fails",
    "A family of probes failed or gave no answer in several rounds.",
    "see what it says with `schedune doctor` on the node",
)
