"""What is wrong with an input: where, which field, which value, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from schedune.codes import intent as codes
from schedune.codes.row import Reason

_LONGEST: Final = 80
_MOST_NAMED: Final = 20
CORRECT: Final = codes.INVALID_FIELD.remedy


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something in the input that cannot be used."""

    place: Place
    field: str
    """As the user wrote it; "" where it is about no field."""
    value: str
    message: str
    remedy: str
    code: str = codes.INVALID_FIELD.code

    @property
    def said(self) -> str:
        """What is wrong, without where and what to do."""
        field = f"{self.field}: " if self.field else ""
        value = f" (got {self.value})" if self.value else ""
        return f"{field}{self.message}{value}"

    def __str__(self) -> str:
        return f"{self.place}: {self.said}; {self.remedy}"


def problem_of(reason: Reason, place: Place) -> Problem:
    """Say of a reason about a field where that field stands."""
    row = reason.row
    value = shorten(reason.observed.removeprefix("got "))
    return Problem(place, reason.subject, value, reason.required, row.remedy, row.code)


def shorten(value: object, longest: int = _LONGEST) -> str:
    """Write a value on one line that is not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def unknown_name(place: str, kind: str, name: str, known: Sequence[str]) -> Problem:
    """Say that there is nothing of that name, and which name was perhaps meant."""
    near = get_close_matches(name, known, n=1)
    some = ", ".join(known[:_MOST_NAMED]) or "none"
    remedy = f"did you mean {near[0]}?" if near else f"known are: {some}"
    return Problem(Place(place), "", "", f"there is no {kind} {name}", remedy)


class BadInputError(Exception):
    """The input as a whole cannot be used; holds what is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(one) for one in self.problems))
