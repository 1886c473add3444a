"""Rows with which the agent explains its paths, its clock and the disks that it holds."""

from typing import Final

from schedune.codes.row import observed as _row

CAP_DIRECTORY_USABLE: Final = _row(
    "CAP_DIRECTORY_USABLE",
    "DirectoryUsable",
    "can be used",
    "The directory is there, and can be written where the agent must write.",
)
CAP_DIRECTORY_MISSING: Final = _row(
    "CAP_DIRECTORY_MISSING",
    "DirectoryMissing",
    "there is no directory {observed}",
    "One of the agent's paths is missing, or is no directory.",
    "make the directory, or correct the agent's settings",
)
CAP_DIRECTORY_READ_ONLY: Final = _row(
    "CAP_DIRECTORY_READ_ONLY",
    "DirectoryReadOnly",
    "the file system of {observed} is read-only",
    "The file system is mounted read-only; the kernel does that by itself after an error.",
    "read the kernel's log for the error, repair the file system and mount it for writing",
)
CAP_DIRECTORY_DENIED: Final = _row(
    "CAP_DIRECTORY_DENIED",
    "DirectoryDenied",
    "the agent may not use {observed}",
    "The modes or a security module refuse the agent's user.",
    "give the agent's user the right to read, and to write where it must",
)
CAP_DIRECTORY_SILENT: Final = _row(
    "CAP_DIRECTORY_SILENT",
    "DirectorySilent",
    "gave no answer: {observed}",
    "The file system was asked in a child and said nothing in time, or gave an error.",
    "see whether the server of that file system is reachable",
)
CAP_CLOCK_SYNCHRONIZED: Final = _row(
    "CAP_CLOCK_SYNCHRONIZED",
    "ClockSynchronized",
    "the kernel says that the clock is set by a time source",
    "adjtimex(2) says that the clock is synchronized.",
)
CAP_CLOCK_UNSYNCHRONIZED: Final = _row(
    "CAP_CLOCK_UNSYNCHRONIZED",
    "ClockUnsynchronized",
    "the kernel says that nothing keeps the clock right",
    "adjtimex(2) says that the clock is not synchronized.",
    "run chrony or another NTP client on the node",
)
CAP_CLOCK_UNKNOWN: Final = _row(
    "CAP_CLOCK_UNKNOWN",
    "ClockUnknown",
    "whether the clock is right could not be asked: {observed}",
    "adjtimex(2) failed, or the facts are those of a recorded machine.",
    "read the message",
)
CAP_DISKS_LISTED: Final = _row(
    "CAP_DISKS_LISTED",
    "DisksListed",
    "every persistent disk held here is listed",
    "The folder of persistent disks was read to its end.",
)
CAP_DISKS_NOT_LISTED: Final = _row(
    "CAP_DISKS_NOT_LISTED",
    "DisksNotListed",
    "more persistent disks may be held than are listed: {observed}",
    "The folder of persistent disks holds too many, or something that is none.",
    "move away what the message names",
)
