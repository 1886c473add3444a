"""What the inputs hold: objects, and everything that is wrong with the rest."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from schedune_cli.problems import Place, Problem
from schedune_cli.reading.yaml_graph import line_of

Raw = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """One object, and where it and its fields stand."""

    raw: Raw
    place: Place
    node: yaml.Node | None = None
    first_line: int = 0

    @property
    def kind(self) -> str:
        """Name of its kind."""
        return str(self.raw["kind"])

    @property
    def key(self) -> Key:
        """Namespace and name, as far as they are given."""
        metadata = self.raw.get("metadata")
        found = metadata if isinstance(metadata, dict) else {}
        return str(found.get("namespace") or ""), str(found.get("name") or "")

    def in_namespace(self, namespace: str) -> "Item":
        """Return the same object in a namespace."""
        metadata = self.raw.get("metadata")
        if not isinstance(metadata, dict):
            return self
        raw = {**self.raw, "metadata": {**metadata, "namespace": namespace}}
        return replace(self, raw=raw)

    def place_of(self, path: str) -> Place:
        """Return where a field stands, or the part nearest to it that is there."""
        return self._place_of(path)[0]

    def place_of_demand(self, path: str) -> Place:
        """Return where a field stands, or the object where it is not written down."""
        place, is_written = self._place_of(path)
        return place if is_written else self.place

    def _place_of(self, path: str) -> tuple[Place, bool]:
        if self.node is None or not path:
            return self.place, False
        line, is_written = line_of(self.node, path.split("."))
        return Place(self.place.file, self.first_line + line), is_written


@dataclass(slots=True)
class Objects:
    """What the inputs hold together."""

    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    foreign: int = 0
    """Objects that are clearly not ours."""
    recorded: list[tuple[Place, str]] = field(default_factory=list)
    """When snapshots among them were taken, as they say."""

    def refuse(self, place: Place, message: str, remedy: str, value: str = "") -> None:
        """Keep what is wrong with a document."""
        self.problems.append(Problem(place, "", value, message, remedy))


def unique(items: Iterable[Item]) -> tuple[dict[tuple[str, Key], Item], list[Problem]]:
    """Return objects by kind and key, and a problem for each that is there twice."""
    found: dict[tuple[str, Key], Item] = {}
    problems = []
    for item in sorted(items, key=lambda one: one.place):
        name = (item.kind, item.key)
        earlier = found.setdefault(name, item)
        if earlier is not item:
            told = f"{item.kind} {item.key[1]} is also in {earlier.place}"
            problems.append(Problem(item.place, "metadata.name", "", told, "give one of the two"))
    return found, problems
