"""Rows about the disks of a placement on its node: made, found, refused, without room."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(code: str, reason: str, sentence: str, cause: str, remedy: str) -> Row:
    return Row(
        code,
        reason,
        Stage.EXECUTION,
        Actor.ADMINISTRATOR,
        Precedence.INFORMATION,
        sentence,
        remedy,
        cause,
    )


DISK_NOT_MADE: Final = _row(
    "ERR_EXEC_DISK_NOT_MADE",
    "DiskNotMade",
    "a disk could not be made: {observed}",
    "The file for a disk's writes could not be made: no room, no right, or its artefact is gone.",
    "read the message; make room under the agent's state directory",
)
DISK_OF_ANOTHER: Final = _row(
    "ERR_EXEC_DISK_OF_ANOTHER",
    "DiskOfAnother",
    "a Persistent disk belongs to another namespace: {observed}",
    "The owner.json beside the disks of this namespace's UID names another namespace, or nothing that can be read.",
    "look at the folder on the node: restore its owner.json if it was damaged, or move the folder away",
)
DISK_FORMAT_CHANGED: Final = _row(
    "ERR_EXEC_DISK_FORMAT_CHANGED",
    "DiskFormatChanged",
    "a Persistent disk is kept in another format: {observed}",
    "The disk was made in one format and spec.disks[].format now says another; it is never made anew.",
    "set spec.disks[].format back, or convert the file on the node and rename it",
)
DISK_UNUSABLE: Final = _row(
    "ERR_EXEC_DISK_UNUSABLE",
    "DiskUnusable",
    "a Persistent disk cannot be used: {observed}",
    "What stands in the place of the disk is no regular file, or no disk of its format, or needs other files.",
    "look at the file on the node; restore it, or move it away for a new disk",
)
DISK_IN_USE: Final = _row(
    "ERR_EXEC_DISK_IN_USE",
    "DiskInUse",
    "a Persistent disk is in use: {observed}",
    "Another process holds a lock on the disk's file: a second writer would destroy it.",
    "end what uses the file on the node (lslocks shows it)",
)
DISK_SOURCE_UNUSABLE: Final = _row(
    "ERR_EXEC_DISK_SOURCE_UNUSABLE",
    "DiskSourceUnusable",
    "what a disk is made of cannot be used: {observed}",
    "Since the node listed it the file has gone, or a link or something else is in its place, or an image root before its own has a file of that name.",
    "look at the file on the node: it must be a regular file right below an image root",
)
NO_ROOM_FOR_WRITES: Final = _row(
    "ERR_EXEC_NO_ROOM_FOR_WRITES",
    "NoRoomForWrites",
    "the guest stands still, since its node has no room for what it writes: {observed}",
    "A write of the guest found no space on the node's disk. Its VMM (QEMU) holds that write and stopped the guest. It is let go on at every heartbeat, and before it is asked to end; where there is no room yet, it stops again.",
    "make room on the node's state disk: the guest goes on by itself",
)
DISK_GONE: Final = _row(
    "ERR_EXEC_DISK_GONE",
    "DiskGone",
    "a Persistent disk that this VM had is not there, and none is made in its place: {observed}",
    "The VM has run before on this node, and the file of its disk is gone: most often the agent's state directory is on a disk that is not mounted after a reboot. The VM is not started until the file is there again; it is looked for every two seconds.",
    "mount the disk of the agent's state directory and start the agent again, or bring the file back; to begin with a fresh disk instead, set a new spec.restartToken",
)
