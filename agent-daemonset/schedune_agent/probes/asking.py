"""Questions on which a machine may hang: asked in a child, which is killed and made anew.

A question that hangs costs its own answer; those behind it are asked by the next child.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schedune_agent.system.child import run_child
from schedune_agent.system.place import HERE, Place

_CHILD: Final = Path(__file__).with_name("asking_child.py")
_LIMIT: Final = 2**20
Question = Mapping[str, Any]
"""One question, in the form of ``asking_child``."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the machine said."""

    value: Any = None
    errno: int | None = None
    """None: it answered; or it did not come back."""
    error: str = ""
    timed_out: bool = False

    @property
    def is_answer(self) -> bool:
        """Say whether there is a value."""
        return not self.error


async def ask(
    questions: Sequence[Question], *, deadline_s: float = 1.0, place: Place = HERE
) -> list[Reply]:
    """Ask one question after the other, each child for at most so many seconds.

    Raises:
        OSError: no child can be started.
    """
    replies: list[Reply] = []
    while len(replies) < len(questions):
        left = list(questions[len(replies) :])
        result = await run_child(
            place.script(_CHILD, json.dumps(left)), deadline_s=deadline_s, limit=_LIMIT
        )
        found = [_read(line) for line in result.stdout.splitlines()][: len(left)]
        replies += found
        if result.timed_out and len(found) < len(left):
            replies.append(Reply(error=f"no answer within {deadline_s:g} s", timed_out=True))
        elif len(found) < len(left):
            words = result.stderr[-200:].decode(errors="replace").strip()
            replies.append(Reply(error=f"the probe ended without an answer: {words}"))
    return replies


def _read(line: bytes) -> Reply:
    try:
        found = json.loads(line)
        if "value" in found:
            return Reply(value=found["value"])
        return Reply(errno=int(found["errno"]), error=str(found["error"]))
    except (ValueError, KeyError, TypeError):
        return Reply(error=f"the probe printed {line[:80]!r}")


async def ask_once(question: Question, *, deadline_s: float = 1.0) -> Reply:
    """Ask one question."""
    return (await ask([question], deadline_s=deadline_s))[0]
