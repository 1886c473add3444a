"""Read small files so that one that says nothing costs its own fact, and is told."""

import re
from collections.abc import Iterator
from typing import Final

from schedune_agent.system.host_files import HostFiles, UnreadableError

MOST_CPUS: Final = 8192
"""As many as a kernel of a distribution can have."""
_MOST: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_RANGE: Final = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


class PartialReader:
    """Reads for one round of a family and notes what was there and told nothing."""

    def __init__(self, files: HostFiles) -> None:
        self.unread: list[str] = []
        """Path and reason of each file that told nothing."""
        self._files = files

    def text(self, path: str) -> str | None:
        """Return a file's text without the space around it; None: it is missing or unreadable."""
        try:
            found = self._files.read_or(path)
        except UnreadableError as error:
            self.unread.append(str(error))
            return None
        return found or None

    def line(self, path: str, most: int = 256) -> str | None:
        """Return a file's first line as printable text."""
        found = self.text(path)
        return printable(found, most) if found else None

    def number(self, path: str) -> int | None:
        """Return the number that a file holds; it must hold nothing else."""
        found = self.text(path)
        return None if found is None else self.parse(path, found)

    def parse(self, path: str, text: str) -> int | None:
        """Return a text as a number; note its file where it is none."""
        number = parse_number(text)
        if number is None:
            self.note(path, f"says {printable(text, 40)!r}, which is no number")
        return number

    def cpus(self, path: str) -> list[int] | None:
        """Return the CPUs of a list like 0-3,8; None: unknown."""
        found = self.text(path)
        if found is None:
            return None
        cpus = parse_cpus(found)
        if cpus is None:
            self.note(path, f"says {printable(found, 40)!r}, which is no list of CPUs")
        return cpus

    def choice(self, path: str, meanings: dict[str, str]) -> str | None:
        """Return what one of the known words of a file means."""
        found = self.text(path)
        if found is None:
            return None
        if found not in meanings:
            self.note(path, f"says {printable(found, 40)!r}, which is not known here")
        return meanings.get(found)

    def names(self, path: str, most: int = 4096) -> list[str]:
        """Return what a folder holds, sorted; nothing where it is missing or unreadable."""
        try:
            return self._files.names(path)[:most]
        except UnreadableError as error:
            self.unread.append(str(error))
            return []

    def note(self, path: str, detail: str) -> None:
        """Note that a file told nothing."""
        self.unread.append(f"{path}: {detail}")


def parse_number(text: str) -> int | None:
    """Return a text as a number that fits 64 bits; None: it is none."""
    found = text.strip()
    if not _NUMBER.fullmatch(found) or abs(int(found)) > _MOST:
        return None
    return int(found)


def parse_cpus(text: str) -> list[int] | None:
    """Return the numbers of a list like 0-3,8; None: it is no such list, or endless."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            return None
        first = int(found[1])
        last = int(found[2] or first)
        if not first <= last < MOST_CPUS:
            return None
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def parse_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each line that has a colon."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def printable(text: str, most: int = 256) -> str:
    """Return the first line of a text as printable ASCII of at most so many characters."""
    first = text.strip().partition("\n")[0]
    return "".join(one if " " <= one <= "~" else "?" for one in first).strip()[:most]
