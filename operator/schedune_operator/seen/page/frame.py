"""What all pages have in common: the head, the way between them, and how lists are cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from schedune_operator.seen.page.markup import Markup, Piece, link, piece, tag
from schedune_operator.seen.reading import Reading

T = TypeVar("T")
PER_PAGE: Final = 100
MOST_PAGES: Final = 100_000
_TABS: Final = (("Overview", ""), ("Nodes", "nodes"), ("Workloads", "workloads"))


def frame(reading: Reading, title: str, here: str, *content: Piece) -> str:
    """Return a whole page."""
    tabs = [
        tag("a", name, href=f"/{part}", aria_current="page" if part == here else None)
        for name, part in _TABS
    ]
    role = "the leader decides here" if reading.leading() else "a standby: the leader decides"
    moment = tag("time", f"{reading.clock():%Y-%m-%d %H:%M:%S} UTC")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} - Schedune"),
        tag("link", rel="stylesheet", href="/fleet.css"),
        tag("link", rel="icon", href="/fleet.svg", type="image/svg+xml"),
    )
    body = tag(
        "body",
        tag("header", tag("strong", "Schedune"), tag("nav", *tabs)),
        tag("main", tag("h1", title), *content),
        tag("footer", "As of ", moment, f"; {role}. Read-only; reload for news."),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def badge(state: str, tone: str | None = None) -> Markup:
    """Return a state, in the colour of what it means."""
    return tag("span", state, class_=f"badge {tone or state.lower()}")


def note(*text: Piece) -> Markup:
    """Return a line of explanation."""
    return tag("p", *text, class_="note")


def lines(text: Sequence[str], label: str) -> Markup:
    """Return lines whose columns have to stay columns."""
    return tag("pre", "\n".join(text), tabindex=0, role="region", aria_label=label)


def tiles(path: str, counts: Mapping[str, int]) -> Markup:
    """Return counts by state, each a way to those that it counts."""
    told = [
        tag(
            "a",
            tag("b", f"{count:,}"),
            tag("span", state),
            class_=f"tile {state if count else 'none'}",
            href=f"/{path}?state={state}",
        )
        for state, count in counts.items()
    ]
    return tag("div", *told, class_="tiles")


@dataclass(frozen=True)
class Sheet(Generic[T]):
    """A list as far as one page shows it."""

    shown: Sequence[T]
    number: int
    total: int

    def told(self, what: str) -> Markup:
        """Say which part of how much is shown."""
        if not self.total:
            return note(f"No {what}.")
        first = (self.number - 1) * PER_PAGE + 1
        last = first + len(self.shown) - 1
        return note(f"{first:,} to {last:,} of {self.total:,} {what}, by name.")

    def ways(self, path: str, query: Mapping[str, str]) -> Markup:
        """Return the ways to the other pages."""
        last = -(-self.total // PER_PAGE)
        if last <= 1:
            return piece(None)
        ways = [
            ("first", 1),
            ("previous", self.number - 1),
            ("next", self.number + 1),
            ("last", last),
        ]
        told = [
            link(word, path, **query, page=number)
            if self._leads(number, last)
            else tag("span", word)
            for word, number in ways
        ]
        return tag("nav", *told, f"page {self.number:,} of {last:,}", class_="pages")

    def _leads(self, number: int, last: int) -> bool:
        return 1 <= number <= last and number != self.number


def sheet_of(found: Sequence[T], number: int) -> Sheet[T]:
    """Return one page of a list; a page that is not there is the nearest one that is."""
    last = max(1, -(-len(found) // PER_PAGE))
    at = min(max(1, number), last)
    return Sheet(found[(at - 1) * PER_PAGE : at * PER_PAGE], at, len(found))


def choice(name: str, values: Sequence[str], chosen: str, label: str) -> Markup:
    """Return a list to choose from; its first entry asks for everything."""
    options = [
        tag("option", one or "any", value=one, selected="" if one == chosen else None)
        for one in ("", *values)
    ]
    return tag("label", label, " ", tag("select", *options, name=name))


def search(value: str, label: str) -> Markup:
    """Return a field for a part of a name."""
    return tag(
        "label", label, " ", tag("input", name="q", value=value, type="search", maxlength=253)
    )


def question(path: str, *fields: Piece) -> Markup:
    """Return a form that asks for a part of a list, by an address that can be kept."""
    return tag("form", *fields, tag("button", "Show"), method="get", action=f"/{path}")
