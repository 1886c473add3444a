"""Questions on which the machine may hang: each costs its own answer and no other."""

import errno
import os
from pathlib import Path

from schedune_agent.probes.asking import ask

_PAUSE = {"do": "syscall", "number": 34 if os.uname().machine == "x86_64" else 73, "arguments": []}
"""On x86 pause(2); on arm64 ppoll(2) of nothing and for ever: neither comes back."""
_HANGS = _PAUSE | ({"arguments": [0, 0, 0, 0, 0]} if _PAUSE["number"] == 73 else {})


async def test_room_under_a_path_is_told_with_its_inodes_and_access(tmp_path: Path) -> None:
    (reply,) = await ask([{"do": "statvfs", "path": str(tmp_path)}])
    found = os.statvfs(tmp_path)
    assert reply.value["total"] == found.f_blocks * found.f_frsize
    assert reply.value["inodes"] == found.f_files
    assert (reply.value["isReadOnly"], reply.value["isWritable"]) == (False, True)


async def test_a_question_that_hangs_costs_its_own_answer_and_no_other(tmp_path: Path) -> None:
    room = {"do": "statvfs", "path": str(tmp_path)}
    first, hung, last = await ask([room, _HANGS, room], deadline_s=0.5)
    assert first.is_answer
    assert last.is_answer
    assert hung.timed_out
    assert "0.5 s" in hung.error


async def test_what_is_missing_or_no_device_says_so_by_its_number(tmp_path: Path) -> None:
    missing, wrong = await ask(
        [
            {"do": "open", "path": str(tmp_path / "device")},
            {"do": "ioctl", "path": "/dev/null", "request": 0xAE00},
        ]
    )
    assert missing.errno == errno.ENOENT
    assert wrong.errno == errno.ENOTTY
    assert not missing.is_answer


async def test_a_child_that_breaks_on_a_question_says_so_and_the_next_is_asked(
    tmp_path: Path,
) -> None:
    broken, room = await ask([{"do": "dance"}, {"do": "statvfs", "path": str(tmp_path)}])
    assert "without an answer" in broken.error
    assert room.is_answer
