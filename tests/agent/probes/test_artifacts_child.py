"""The child that reads hostile images: what it can no longer do, and how it is ended."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from schedune_agent.probes import artifacts_child
from schedune_testing.images import bzimage

CHILD = Path(artifacts_child.__file__)
TRIES = """
import json, os, socket, sys
from schedune_agent.probes.artifacts_child import confine

def outcome(work):
    try:
        work()
    except BaseException as error:
        return type(error).__name__
    return "allowed"

kept = os.open(sys.argv[1], os.O_RDONLY)
confine(2, 20)
told = {
    "read": outcome(lambda: os.pread(kept, 10, 0)),
    "open": outcome(lambda: open(sys.argv[1])),
    "socket": outcome(lambda: socket.socket()),
    "memory": outcome(lambda: bytearray(2**30)),
    "user": os.getresuid(),
    "groups": os.getgroups(),
}
if os.getuid() != 0:
    told["fork"] = outcome(os.fork)
print(json.dumps(told))
"""


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_it_can_read_what_is_open_and_nothing_else(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(100))
    done = run(TRIES, str(image))
    told = json.loads(done.stdout)
    assert told["read"] == "allowed"
    assert (told["open"], told["socket"]) == ("OSError", "OSError")
    assert told["memory"] == "MemoryError"
    if os.geteuid() == 0:
        assert told["user"] == [artifacts_child.NOBODY] * 3
        assert told["groups"] == []
    assert told["fork"] == "BlockingIOError"


def test_it_is_ended_when_its_processor_time_is_over() -> None:
    code = (
        "from schedune_agent.probes.artifacts_child import confine; confine(1, 30)\nwhile 1: pass"
    )
    assert run(code).returncode == -signal.SIGXCPU


def test_it_ends_itself_when_its_time_is_over() -> None:
    """Its parent may lack the right to: it is another user's process by then."""
    code = "from schedune_agent.probes.artifacts_child import confine; confine(5, 1)\n"
    assert run(code + "import time; time.sleep(30)").returncode == -signal.SIGALRM


def test_it_answers_each_descriptor_with_one_line(tmp_path: Path) -> None:
    image = tmp_path / "kernel"
    image.write_bytes(bzimage())
    with image.open("rb") as good, tmp_path.joinpath("gone").open("wb") as unreadable:
        numbers = [unreadable.fileno(), good.fileno()]
        done = subprocess.run(
            [sys.executable, "-I", str(CHILD), "look", "5", *map(str, numbers)],
            capture_output=True, text=True, check=True, pass_fds=numbers,
        )  # fmt: skip
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["kind"] == "Unknown"
    assert second["format"] == "BzImage"


def test_it_is_quick_enough_for_a_round(tmp_path: Path) -> None:
    """It carries neither the API models nor numpy: they would cost more than the looking."""
    code = (
        "import sys; import schedune_agent.probes.artifacts_child as one\n"
        "print(sorted({'numpy', 'pydantic', 'asyncio', 'yaml'} & set(sys.modules)))"
    )
    assert run(code).stdout.strip() == "[]"
