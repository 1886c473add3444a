"""Named pipes: what a VMM writes without end is bounded, whether somebody reads or not."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from schedune_agent.system.pipes import HELD_BYTES, NamedPipe


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[NamedPipe]:
    """A pipe that was just made."""
    made = NamedPipe(tmp_path / "pipe")
    made.make()
    yield made
    made.close()


@pytest.fixture
def writer(tmp_path: Path, pipe: NamedPipe) -> Iterator[int]:
    """The other end, as a VMM holds it: for reading too, and without waiting."""
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def fill(writer: int) -> int:
    written = 0
    while True:
        try:
            written += os.write(writer, b"x" * 4096)
        except BlockingIOError:
            return written


def test_what_is_written_is_read_once(pipe: NamedPipe, writer: int) -> None:
    os.write(writer, b"hello")
    assert (pipe.drain(), pipe.drain()) == (b"hello", b"")


def test_a_writer_without_end_fills_the_pipe_and_no_more(pipe: NamedPipe, writer: int) -> None:
    assert 0 < fill(writer) <= HELD_BYTES
    assert 0 < len(pipe.drain()) <= HELD_BYTES


def test_a_writer_that_never_rests_does_not_hold_its_reader(pipe: NamedPipe, writer: int) -> None:
    fill(writer)
    assert len(pipe.drain(1000)) == 1000


def test_what_was_written_while_nobody_read_is_there_for_the_next_reader(
    tmp_path: Path, pipe: NamedPipe, writer: int
) -> None:
    pipe.close()
    os.write(writer, b"in between")
    following = NamedPipe(tmp_path / "pipe")
    following.make()
    assert following.drain() == b"in between"
    following.close()


def test_the_last_words_of_a_writer_that_is_gone_are_still_read(tmp_path: Path) -> None:
    pipe = NamedPipe(tmp_path / "pipe")
    pipe.make()
    writer = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, b"panic")
    os.close(writer)
    assert (pipe.drain(), pipe.drain()) == (b"panic", b"")
    pipe.close()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_only_has_the_name_of_a_pipe_is_not_opened(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "pipe"
    if kind == "file":
        path.write_text("secret")
    else:
        path.symlink_to(tmp_path / "secret")
    pipe = NamedPipe(path)
    with pytest.raises(OSError, match=r"no named pipe|symbolic links"):
        pipe.make()
    assert pipe.drain() == b""


def test_the_pipe_is_for_nobody_else(tmp_path: Path, pipe: NamedPipe) -> None:
    assert (tmp_path / "pipe").stat().st_mode & 0o777 == 0o600
