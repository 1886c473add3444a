"""Text for a terminal or a log: tables that wrap, words in colour, nothing that acts on either."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

_NARROWEST: Final = 24
"""A last column is never wrapped tighter than this."""
READABLE: Final = 118
"""Columns of a text whose page has no width of its own."""
_GAP: Final = "  "


class Tone(StrEnum):
    """How a word is meant; what that looks like is the page's business."""

    GOOD = "good"
    BAD = "bad"
    DOUBTFUL = "doubtful"
    TITLE = "title"
    PLAIN = "plain"


Paint = Callable[[str, Tone], str]


def unpainted(text: str, _tone: Tone) -> str:
    """Leave a word as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Page:
    """Where a text goes."""

    width: int | None = None
    """Columns; None: as wide as need be."""
    paint: Paint = unpainted

    def for_people(self) -> "Page":
        """Return the page for a text that is read, never searched: it is wrapped in any case."""
        return self if self.width else replace(self, width=READABLE)

    def paragraph(self, text: str, indent: str = "", hanging: str | None = None) -> list[str]:
        """Return a text wrapped to the page."""
        clean = printable(text)
        if self.width is None:
            return [indent + clean]
        return textwrap.wrap(
            clean,
            max(self.width, _NARROWEST + len(indent)),
            initial_indent=indent,
            subsequent_indent=indent if hanging is None else hanging,
            break_on_hyphens=False,
        )

    def table(
        self, rows: Sequence[Sequence[str]], tones: Sequence[Tone] = (), indent: str = ""
    ) -> list[str]:
        """Return rows in columns, the first as title; the last column wraps to the page.

        ``tones`` are those of the rows' second cells, as far as they go.
        """
        clean = [[printable(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in clean) for column in range(len(clean[0]) - 1)]
        painted = [Tone.TITLE, *tones]
        lines: list[str] = []
        for number, row in enumerate(clean):
            tone = painted[number] if number < len(painted) else Tone.PLAIN
            lines += self._row(row, widths, tone, indent)
        return lines

    def _row(self, row: Sequence[str], widths: Sequence[int], tone: Tone, indent: str) -> list[str]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lead = len(indent) + sum(widths) + len(_GAP) * len(widths)
        first, *rest = self._wrapped(row[-1], lead)
        if tone is Tone.TITLE:
            painted = self.paint(_GAP.join([*cells, first]).rstrip(), tone)
        else:
            told = [
                self.paint(cell, tone) if column == 1 else cell for column, cell in enumerate(cells)
            ]
            painted = _GAP.join([*told, first]).rstrip()
        return [indent + painted, *(" " * lead + line for line in rest)]

    def _wrapped(self, text: str, lead: int) -> list[str]:
        if self.width is None:
            return [text]
        room = max(self.width - lead, _NARROWEST)
        return textwrap.wrap(text, room, break_on_hyphens=False) or [""]


def printable(text: str) -> str:
    """Show what would act on a terminal or break a line, instead of letting it."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def counted(number: int, word: str) -> str:
    """Write a number with its noun."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def listed(names: Sequence[str], total: int) -> str:
    """Write some names, and how many there are beside them."""
    more = total - len(names)
    told = ", ".join(names)
    return f"{told} and {more} more" if more > 0 else told
