"""Read a JSON object field by field; what is wrong is noted, what nobody reads is lost.

``null``, absent and empty mean the same, as in the original. Readers return an empty
value where they note a problem, so that one pass finds all problems of a document.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from schedune_cli.importing.notes import Notes, join_path

_T = TypeVar("_T")
_LARGEST: Final = 2**63 - 1


class Fields:
    """One object of a document."""

    def __init__(self, raw: Mapping[str, object], notes: Notes, path: str = "") -> None:
        self.notes = notes
        self._raw = raw
        self._path = path
        self._unread = [name for name, value in raw.items() if value is not None]

    def path_of(self, name: str) -> str:
        """Return how a reader of the document finds a field."""
        return join_path(self._path, name)

    def has(self, name: str) -> bool:
        """Say whether a field says anything."""
        return self._raw.get(name) not in (None, "", [], {}, False, 0)

    def read(self, name: str) -> object:
        """Return a field as it is."""
        if name in self._unread:
            self._unread.remove(name)
        return self._raw.get(name)

    def text(self, name: str, *, required: bool = False) -> str:
        """Read a text."""
        value = self.read(name)
        if value is None or value == "":
            if required:
                self.refuse(name, "is required: give it a text")
            return ""
        if not isinstance(value, str):
            self.refuse(name, "must be a text")
            return ""
        return value

    def integer(self, name: str, *, least: int = 0, most: int = _LARGEST) -> int:
        """Read a whole number within bounds; absent is 0, as in the original."""
        value = self.read(name)
        number = 0 if value is None else value
        if not isinstance(number, int) or number is True or number is False:
            self.refuse(name, "must be a whole number")
            return least
        if not least <= number <= most:
            self.refuse(name, f"must be from {least} to {most}")
            return least
        return number

    def optional_integer(self, name: str, *, least: int, most: int) -> int | None:
        """Read a whole number that may be absent."""
        if self._raw.get(name) is None:
            self.read(name)
            return None
        return self.integer(name, least=least, most=most)

    def flag(self, name: str) -> bool:
        """Read a truth value; absent is false."""
        value = self.read(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return value is True

    def choice(self, name: str, table: Mapping[str, _T], default: _T) -> _T:
        """Read one of a few words; absent is the default."""
        value = self.read(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value in table:
            return table[value]
        self.refuse(name, f"must be one of {', '.join(table)}")
        return default

    def required_choice(self, name: str, table: Mapping[str, _T]) -> _T:
        """Read one of a few words that must be there."""
        if not self.has(name):
            self.refuse(name, f"is required: one of {', '.join(table)}")
        return self.choice(name, table, next(iter(table.values())))

    def texts(self, name: str) -> list[str]:
        """Read a list of texts as the set that it is here; a double is said aloud."""
        found: list[str] = []
        for index, value in enumerate(self._items(name)):
            place = f"{self.path_of(name)}[{index}]"
            if not isinstance(value, str) or not value:
                self.notes.refuse(place, value, "must be a text")
            elif value in found:
                self.notes.drop(place, value, "it is in the list already")
            else:
                found.append(value)
        return found

    def parts(self, name: str) -> Iterator["Fields"]:
        """Read a list of objects."""
        for index, value in enumerate(self._items(name)):
            place = f"{self.path_of(name)}[{index}]"
            if isinstance(value, Mapping):
                yield Fields(value, self.notes, place)
            else:
                self.notes.refuse(place, value, "must be an object")

    def part(self, name: str) -> "Fields":
        """Read an object; absent is one without fields."""
        value = self.read(name)
        if value is not None and not isinstance(value, Mapping):
            self.refuse(name, "must be an object")
            value = None
        return Fields(value or {}, self.notes, self.path_of(name))

    def _items(self, name: str) -> list[object]:
        value = self.read(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(name, "must be a list")
            return []
        return value

    def drop(self, name: str, why: str) -> None:
        """Read a field that reaches nothing here, and say so if it says anything."""
        value = self.read(name)
        if self.has(name):
            self.notes.drop(self.path_of(name), value, why)

    def change(self, name: str, outcome: str) -> None:
        """Say that a field means something else here."""
        self.notes.change(self.path_of(name), self._raw.get(name), outcome)

    def refuse(self, name: str, remedy: str) -> None:
        """Say that a field stands against the import."""
        self.notes.refuse(self.path_of(name), self._raw.get(name), remedy)

    def close(self) -> None:
        """Say what nobody has read: fields that the original did not know either."""
        for name in self._unread:
            self.notes.drop(
                self.path_of(name), self._raw[name], "the original system has no such field"
            )
        self._unread = []
