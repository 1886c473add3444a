"""The rules of alarms: which level, from where on, for how long, and how bad it is.

A Warning lets VMs come and is only liked less; an Error (Degraded) lets none come. So an
Error is what makes a launch fail or a VM suffer for sure, never what passes in a moment.
"""

from typing import Final

from schedune.codes import alarms as codes
from schedune.evidence.health import Rule

PROBE_FAILING: Final = "probe_failing"
ORPHANS_NOT_SWEPT: Final = "orphans_not_swept"

RULES: Final[tuple[Rule, ...]] = (
    # Percent of the last minute in which processes waited (PSI).
    Rule("cpu_waiting_percent", codes.ALARM_CPU_PRESSURE, "Warning", 80, 60, 300, 120),
    Rule("memory_stalled_percent", codes.ALARM_MEMORY_PRESSURE, "Warning", 10, 5, 60, 120),
    Rule("memory_stalled_percent", codes.ALARM_MEMORY_STALLED, "Error", 60, 30, 120, 120),
    Rule("io_stalled_percent", codes.ALARM_IO_PRESSURE, "Warning", 60, 40, 300, 120),
    # Processes that want to run, for each CPU.
    Rule("load_per_cpu", codes.ALARM_LOAD_HIGH, "Warning", 4, 2, 300, 120),
    Rule("memory_available_percent", codes.ALARM_MEMORY_LOW, "Warning", 3, 6, 60, 120),
    # Percent of a file system that is left.
    Rule("images_room_percent", codes.ALARM_DISK_LOW, "Warning", 5, 10, 0, 60),
    Rule("run_room_percent", codes.ALARM_DISK_LOW, "Warning", 10, 15, 0, 60),
    Rule("run_room_percent", codes.ALARM_DISK_FULL, "Error", 1, 3, 0, 60),
    Rule("state_room_percent", codes.ALARM_DISK_LOW, "Warning", 10, 15, 0, 60),
    Rule("state_room_percent", codes.ALARM_DISK_FULL, "Error", 1, 3, 0, 60),
    Rule("inodes_percent", codes.ALARM_INODES_LOW, "Warning", 5, 10, 0, 60),
    # 1: it is so. An answer that came once too late is no alarm yet.
    Rule("directory_unusable", codes.ALARM_DIRECTORY_UNUSABLE, "Error", 1, 0, 20, 60),
    Rule("filesystem_errors", codes.ALARM_FILESYSTEM_ERRORS, "Warning", 1, 0, 0, 60),
    Rule("array_missing_disks", codes.ALARM_ARRAY_DEGRADED, "Warning", 1, 0, 0, 60),
    Rule("disk_offline", codes.ALARM_DISK_OFFLINE, "Warning", 1, 0, 30, 60),
    # Degrees Celsius below the critical point.
    Rule("heat_margin", codes.ALARM_TEMPERATURE_HIGH, "Warning", 5, 10, 60, 120),
    Rule("heat_margin", codes.ALARM_TEMPERATURE_CRITICAL, "Error", 0, 5, 60, 120),
    Rule("clock_unsynchronized", codes.ALARM_CLOCK_UNSYNCHRONIZED, "Warning", 1, 0, 300, 60),
    # Seconds.
    Rule("clock_skew", codes.ALARM_CLOCK_SKEWED, "Warning", 3, 2, 60, 60),
    Rule("memory_limited", codes.ALARM_MEMORY_LIMITED, "Warning", 1, 0, 0, 0),
    # Two sweeps at least: a process that ends while it is looked at is no alarm yet.
    Rule(ORPHANS_NOT_SWEPT, codes.ALARM_ORPHANS_NOT_SWEPT, "Warning", 1, 0, 25, 0),
    Rule(PROBE_FAILING, codes.ALARM_PROBE_FAILING, "Warning", 1, 0, 60, 60),
)
"""In the order in which they are judged; of one level the gravest alarm is told."""
