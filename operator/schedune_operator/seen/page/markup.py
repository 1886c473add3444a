"""HTML that cannot be broken by what is put into it: every text is escaped, by construction."""

from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import quote, urlencode

_VOID: Final = frozenset({"input", "link", "meta", "br"})


class Markup(str):
    """A piece of HTML: what is no Markup is text, and is escaped."""

    __slots__ = ()


Piece = str | int | Markup | None
"""A text, a number, a piece of HTML, or nothing."""


def piece(value: Piece) -> Markup:
    """Return a value as HTML."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(_visible(str(value)), quote=True))


def _visible(text: str) -> str:
    """Show what would turn or hide the text around it (control and direction marks)."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


def tag(element: str, /, *children: Piece, **attributes: Piece) -> Markup:
    """Return an element; ``class_`` is the attribute class, ``for_`` is for."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{piece(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{told}>")
    return Markup(f"<{element}{told}>{join(children)}</{element}>")


def join(children: Iterable[Piece]) -> Markup:
    """Return pieces one after another."""
    return Markup("".join(piece(one) for one in children))


def path(*parts: str, **query: str | int) -> str:
    """Return the address of one of our pages; names may hold anything."""
    told = "/" + "/".join(quote(part, safe="") for part in parts)
    asked = {key: value for key, value in query.items() if value not in ("", 0)}
    return f"{told}?{urlencode(asked)}" if asked else told


def link(text: Piece, /, *parts: str, **query: str | int) -> Markup:
    """Return a link to one of our pages."""
    return tag("a", text, href=path(*parts, **query))


def table(titles: Iterable[Piece], rows: Iterable[Iterable[Piece]], numbers: str = "") -> Markup:
    """Return a table; ``numbers`` has an n for each column that holds numbers, else a dot."""

    def cell(name: str, at: int, value: Piece) -> Markup:
        number = at < len(numbers) and numbers[at] == "n"
        return tag(
            name, value, class_="n" if number else None, scope="col" if name == "th" else None
        )

    head = tag("tr", *(cell("th", at, one) for at, one in enumerate(titles)))
    body = join(tag("tr", *(cell("td", at, one) for at, one in enumerate(row))) for row in rows)
    return tag("div", tag("table", tag("thead", head), tag("tbody", body)), class_="wide")
