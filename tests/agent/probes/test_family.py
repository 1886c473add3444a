"""A family of probes: what goes wrong in one makes its own facts unknown, and in time."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from schedune.api.nodetruth import CapabilityState
from schedune.codes import probes as codes
from schedune_agent.probes.family import Answer, Part, observe
from schedune_agent.system.host_files import LIMIT, Cause, HostFiles, UnreadableError


@dataclass
class _Family:
    look: Callable[[], Part]
    waits_s: float = 0.0
    name: str = "colour"
    deadline_s: float = 0.05
    answers_for: tuple[str, ...] = ("is_red", "is_blue")

    async def __call__(self) -> Part:
        await asyncio.sleep(self.waits_s)
        return self.look()


def _fail() -> Part:
    raise ValueError("that is no colour")


async def test_what_a_family_saw_is_told_with_how_its_probe_went() -> None:
    seen = Part(answers=[Answer("is_red", CapabilityState.SUPPORTED, codes.CAP_KVM_RUNS)])
    outcome = await observe(_Family(lambda: seen))
    assert outcome.part == seen
    assert (outcome.run.name, outcome.run.outcome) == ("colour", "Succeeded")
    assert outcome.run.reason_code is None


async def test_a_family_that_fails_leaves_what_it_answers_for_unknown() -> None:
    outcome = await observe(_Family(_fail))
    assert (outcome.run.outcome, outcome.run.reason_code) == ("Failed", "PROBE_FAILED")
    assert [(one.name, one.state, one.row) for one in outcome.part.answers] == [
        ("is_red", CapabilityState.UNKNOWN, codes.PROBE_FAILED),
        ("is_blue", CapabilityState.UNKNOWN, codes.PROBE_FAILED),
    ]
    assert "that is no colour" in outcome.part.answers[0].observed


async def test_a_family_that_does_not_come_back_is_given_up_at_its_deadline() -> None:
    outcome = await observe(_Family(Part, waits_s=30))
    assert (outcome.run.outcome, outcome.run.reason_code) == ("TimedOut", "PROBE_TIMED_OUT")
    assert {one.row for one in outcome.part.answers} == {codes.PROBE_TIMED_OUT}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda path: None, Cause.ABSENT),
        (lambda path: path.mkdir(), Cause.ERROR),
        (_fifo, Cause.ERROR),
        (lambda path: path.symlink_to(path), Cause.ERROR),
    ],
    ids=["missing", "folder", "fifo", "loop"],
)
def test_a_file_that_is_none_says_why_and_keeps_nobody_waiting(
    tmp_path: Path, make: Callable[[Path], None], cause: Cause
) -> None:
    make(tmp_path / "fact")
    with pytest.raises(UnreadableError, match="fact: ") as caught:
        HostFiles(tmp_path).read("fact")
    assert caught.value.cause is cause


def test_a_file_is_read_to_its_bound_whatever_bytes_it_holds(tmp_path: Path) -> None:
    (tmp_path / "fact").write_bytes(b"\xff" * (LIMIT + 1))
    assert len(HostFiles(tmp_path).read("fact")) == LIMIT


def test_only_a_missing_file_stands_for_the_default(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    files = HostFiles(tmp_path)
    assert files.read_or("absent", "0") == "0"
    with pytest.raises(UnreadableError):
        files.read_or("folder", "0")
