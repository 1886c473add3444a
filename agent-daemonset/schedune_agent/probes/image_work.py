"""Have open files looked at by children: a file that ends its child costs only itself."""

import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from schedune_agent.probes.image_roots import ImageFile, open_file
from schedune_agent.system.child import ChildResult, run_child
from schedune_agent.system.patience import in_thread, to_its_end

_CHILD: Final = Path(__file__).with_name("artifacts_child.py")
_LIMIT: Final = 2**20
_GRACE_S: Final = 5.0
"""How much longer than the child's own limit we wait: it has to start first."""
BATCH: Final = 16

Work = Literal["look", "digest"]
Answer = Mapping[str, Any]
Tell = Callable[[ImageFile, Answer], None]
Opened = dict[ImageFile, int]


Opening = Callable[[Callable[[], Opened]], Awaitable[Opened]]


async def work_on(
    work: Work, files: Sequence[ImageFile], wall_s: int, tell: Tell, opening: Opening = to_its_end
) -> None:
    """Have each file worked on and tell what came of it, as soon as it is known.

    ``opening`` waits for files to be opened: whoever must not wait for ever says how.

    Raises:
        OSError: no child can be started.
    """
    left = list(files)
    while left:
        opens = _Opening(partial(_open_all, left[:BATCH], tell))
        try:
            opened = await opening(opens)
        except BaseException:
            opens.give_up()
            raise
        left = left[BATCH:]
        try:
            unanswered = await _work_on_open(work, opened, wall_s, tell)
        finally:
            # Nobody waits for it: closing a file may hang with its file system too.
            in_thread(partial(_close_all, opened))
        left = unanswered + left


class _Opening:
    """Opens files in a thread; whoever stops waiting for that leaves none of them open."""

    def __init__(self, work: Callable[[], Opened]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._opened: Opened = {}
        self._is_given_up = False

    def __call__(self) -> Opened:
        opened = self._work()
        with self._turn:
            if not self._is_given_up:
                self._opened = opened
                return opened
        _close_all(opened)
        return {}

    def give_up(self) -> None:
        """Close what was opened, now or when it is."""
        with self._turn:
            self._is_given_up = True
            opened, self._opened = self._opened, {}
        in_thread(partial(_close_all, opened))


def _open_all(files: Sequence[ImageFile], tell: Tell) -> Opened:
    opened = {}
    for file in files:
        try:
            opened[file] = open_file(file)
        except OSError as error:
            tell(file, {"problem": f"cannot be opened: {error.strerror}", "cheap": True})
    return opened


def _close_all(opened: Opened) -> None:
    for descriptor in opened.values():
        os.close(descriptor)


async def _work_on_open(work: Work, opened: Opened, wall_s: int, tell: Tell) -> list[ImageFile]:
    """Return the files that another child must look at: the first of them gets all the time."""
    if not opened:
        return []
    files = list(opened)
    numbers = list(opened.values())
    result = await run_child(
        [sys.executable, "-I", str(_CHILD), work, str(wall_s), *map(str, numbers)],
        deadline_s=wall_s + _GRACE_S,
        limit=_LIMIT,
        pass_fds=numbers,
    )
    answers = [one for one in map(_read, result.stdout.splitlines()) if one is not None]
    for file, answer in zip(files, answers, strict=False):
        tell(file, answer)
    if not answers:
        tell(files[0], {"problem": _why(result, wall_s)})
    return files[max(1, len(answers)) :]


def _read(line: bytes) -> Answer | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _why(result: ChildResult, wall_s: int) -> str:
    if result.timed_out or result.exit_code == -signal.SIGALRM:
        return f"not done with it after {wall_s} s"
    if result.exit_code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "takes more processor time than one file may"
    words = result.stderr[-120:].decode(errors="replace").strip()
    return f"the child that looked at it ended with {result.exit_code}: {words}"
