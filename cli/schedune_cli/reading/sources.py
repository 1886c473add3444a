"""Find the files that are meant, and read them as text."""

import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from schedune_cli.problems import Place, Problem

STREAM: Final = "-"
STREAM_NAME: Final = "stdin"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_BYTES: Final = 256 * 2**20
"""More is no manifest and no snapshot: a stream that does not end must not fill the memory."""
_HIDDEN: Final = "."


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text, under the name by which it is spoken of."""

    name: str
    text: str


@dataclass
class _Walk:
    """What was met on the way, so that nothing is read twice and no loop is followed."""

    found: dict[Path, str] = field(default_factory=dict)
    """By real path: the name to speak of it."""
    folders: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def note(self, path: Path, *, is_regular: bool) -> None:
        """Keep a file once, under the first of its names in their order; a pipe has no other."""
        real, name = path.resolve() if is_regular else path, _spoken(path)
        self.found[real] = min(self.found.get(real, name), name)

    def complain(self, path: Path, message: str, remedy: str) -> None:
        """Keep what is wrong with a path."""
        self.problems.append(Problem(Place(_spoken(path)), "", "", message, remedy))


def _spoken(path: Path) -> str:
    """Name a file from where we stand: that is how reports of a repository name it."""
    here = Path.cwd()
    name = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return name.encode("utf-8", "backslashreplace").decode()


def standard_input() -> BinaryIO:
    """Return what is given to read; nothing, where a caller closed it (``<&-``)."""
    return sys.stdin.buffer if sys.stdin is not None else BytesIO()


def read_sources(
    paths: Sequence[str], stdin: BinaryIO
) -> tuple[tuple[Source, ...], tuple[Problem, ...]]:
    """Return the texts in the order of their names, and what could not be read."""
    walk = _Walk()
    sources: list[Source] = []
    for path in dict.fromkeys(paths):
        if path == STREAM:
            sources += _decoded(STREAM_NAME, stdin.read(MOST_BYTES + 1), walk)
        else:
            _visit(Path(path), walk, ())
    for real, name in walk.found.items():
        sources += _read(real, name, walk)
    return tuple(sorted(sources, key=lambda one: one.name)), tuple(walk.problems)


def _visit(path: Path, walk: _Walk, above: tuple[Path, ...]) -> None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISDIR(mode):
            walk.note(path, is_regular=stat.S_ISREG(mode))
            return
        real = path.resolve()
        if real in above:
            walk.complain(path, f"leads back to {real.name}, which holds it", "remove this link")
        elif real not in walk.folders:
            walk.folders.add(real)
            _visit_folder(path, walk, (*above, real))
    except FileNotFoundError:
        walk.complain(path, "there is no such file or folder", "correct the path")
    except OSError as error:
        told = f"cannot be read: {error.strerror}"
        walk.complain(path, told, "correct the path or its permissions")


def _visit_folder(path: Path, walk: _Walk, above: tuple[Path, ...]) -> None:
    """Look at manifests and folders; hidden ones are of Git, editors and mounted ConfigMaps."""
    before = len(walk.found), len(walk.problems)
    for one in sorted(path.iterdir()):
        if one.name.startswith(_HIDDEN):
            continue
        if one.suffix in SUFFIXES or one.is_dir():
            _visit(one, walk, above)
    if len(above) == 1 and before == (len(walk.found), len(walk.problems)):
        wanted = ", ".join(SUFFIXES)
        walk.complain(path, f"holds no file that ends in {wanted}", "name the files themselves")


def _read(real: Path, name: str, walk: _Walk) -> Iterator[Source]:
    try:
        with real.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        told = f"cannot be read: {error.strerror}"
        walk.complain(Path(name), told, "correct the path or its permissions")
        return
    yield from _decoded(name, content, walk)


def _decoded(name: str, content: bytes, walk: _Walk) -> Iterator[Source]:
    if len(content) > MOST_BYTES:
        told = f"is larger than {MOST_BYTES // 2**20} MiB"
        walk.complain(Path(name), told, "give the manifests alone")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        walk.problems.append(
            Problem(Place(name, line), "", byte, "is not UTF-8", "save the file as UTF-8")
        )
        return
    if not text.strip():
        remedy = "check what should have filled it, for example the command before the pipe"
        walk.complain(Path(name), "is empty", remedy)
        return
    yield Source(name, text)
