"""The image roots: which files are there, and what stands in the way of seeing them."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_ENTRIES: Final = 4096
"""Names that are looked at in one root."""
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
"""Other names can not be referred to by a workload."""
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link; links are not followed"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)

Key = tuple[int, int, int, int]
"""Device, inode, time of change in nanoseconds, size: the same key, the same bytes."""
Sight = tuple[Key, int]
"""A key, and when anything of the file was last changed, that time of its included."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One name in a root."""

    path: Path
    key: Key
    obstacle: str = ""
    """Why it is no file to look at; empty: it is one."""
    changed_ns: int = 0
    """When anything of it was last changed: nobody can set that back."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.key[3]

    @property
    def sight(self) -> Sight:
        """What is another when its bytes may be, whoever hides that."""
        return self.key, self.changed_ns


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything in all roots, by name; of equal names the first root's."""

    files: tuple[ImageFile, ...]
    missing: tuple[str, ...] = ()
    """Roots that do not exist."""
    unreadable: tuple[str, ...] = ()
    """Roots that may hold files which nobody saw, and why."""


def image_root(root: Path) -> str:
    """Return how a root is called where it does not answer."""
    return f"the image root {root}"


def list_roots(roots: Sequence[Path]) -> Listing:
    """List every root; what is wrong with one hides nothing of the others."""
    return join_listings([list_root(root) for root in roots])


def list_root(root: Path) -> Listing:
    """List one root, as far as it can be."""
    found = list[ImageFile]()
    try:
        for one in _list_root(root):
            found.append(one)
    except FileNotFoundError:
        return Listing((), missing=(str(root),))
    except OSError as error:
        return Listing(tuple(found), unreadable=(f"{root}: {error.strerror}",))
    return Listing(tuple(found))


def look_for(root: Path, names: Sequence[str]) -> Listing:
    """List these names of a root only: a large one takes a far server long."""
    found = list[ImageFile]()
    for name in names:
        path = root / name
        try:
            found.append(_seen(path, path.lstat()))
        except FileNotFoundError:
            continue
        except OSError as error:
            return Listing(tuple(found), unreadable=(f"{root}: {error.strerror}",))
    return Listing(tuple(found))


def join_listings(listings: Sequence[Listing]) -> Listing:
    """Put the listings of roots together, in their order."""
    found: dict[str, ImageFile] = {}
    for file in (file for one in listings for file in one.files):
        found.setdefault(file.path.name, file)
    return Listing(
        tuple(found[name] for name in sorted(found)),
        tuple(name for one in listings for name in one.missing),
        tuple(why for one in listings for why in one.unreadable),
    )


def _list_root(root: Path) -> Iterator[ImageFile]:
    with os.scandir(root) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_ENTRIES:
                raise OSError(0, f"more than {MOST_ENTRIES} names")
            if _NAME.fullmatch(entry.name):
                yield _file(entry)


def _file(entry: "os.DirEntry[str]") -> ImageFile:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return ImageFile(Path(entry.path), (0, 0, 0, 0), f"cannot be seen: {error.strerror}")
    return _seen(Path(entry.path), status)


def _seen(path: Path, status: os.stat_result) -> ImageFile:
    obstacle = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "")
    return ImageFile(path, key_of(status), obstacle, status.st_ctime_ns)


def key_of(status: os.stat_result) -> Key:
    """Return what tells one content from another."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def open_file(file: ImageFile) -> int:
    """Open what was listed: no link, no waiting for a FIFO, and still the same file.

    Raises:
        OSError: it cannot be opened, or is another file by now.
    """
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and key_of(status) == file.key:
        return descriptor
    os.close(descriptor)
    raise OSError(0, "it changed while it was looked at")
