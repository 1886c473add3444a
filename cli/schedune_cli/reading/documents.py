"""Texts taken apart into Kubernetes objects: lists are unwrapped, others' kinds passed over."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from schedune_cli.problems import Place, shorten
from schedune_cli.reading.json_documents import read_json
from schedune_cli.reading.kinds import is_list, is_read, note_snapshot
from schedune_cli.reading.objects import Item, Objects
from schedune_cli.reading.sources import Source
from schedune_cli.reading.yaml_graph import UnusableYAMLError, child, compose, construct, scalar

_LARGEST_OBJECT: Final = 3 * 2**19
"""What the API server takes at most (1.5 MiB): a larger document must be a list of objects."""
_LIST_HEAD: Final = re.compile(r"^kind:\s*(?:Snapshot|\w*List)\s*$", re.MULTILINE)
_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_JSON_HEAD: Final = re.compile(r"\s*\{\s*\"")


def read_objects(sources: Iterable[Source]) -> Objects:
    """Read every document of every source; a bad one keeps no other from being read."""
    found = Objects()
    for source in sources:
        if _JSON_HEAD.match(source.text):
            read_json(source, found)
        else:
            for first_line, text in _documents(source.text):
                _read(source.name, first_line, text, found)
    return found


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Cut where kubectl does, so that one document that is no YAML spoils no other."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text))]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        if piece.removeprefix("---").strip():
            yield line, piece
        line += piece.count("\n")


def _read(file: str, first_line: int, text: str, found: Objects) -> None:
    if len(text) > _LARGEST_OBJECT and not _LIST_HEAD.search(text):
        told = f"{len(text) / 2**20:.1f} MiB in one document are no Kubernetes object"
        found.refuse(Place(file, first_line), told, "give manifests, a List or a Snapshot")
        return
    try:
        node = compose(text)
    except UnusableYAMLError as error:
        found.refuse(Place(file, first_line + error.line), error.message, error.remedy)
        return
    if node is not None and node.value:
        _sort(_Part(file, first_line, node), found)


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """A document, or one object of a list."""

    file: str
    first_line: int
    node: yaml.Node

    @property
    def place(self) -> Place:
        return Place(self.file, self.first_line + self.node.start_mark.line)


def _sort(part: _Part, found: Objects) -> None:
    """Unwrap lists, keep what is ours or beside it, pass over what clearly is not."""
    if not isinstance(part.node, yaml.MappingNode):
        value = shorten(scalar(part.node) or "a list")
        found.refuse(part.place, "is no Kubernetes object", "give a manifest", value)
        return
    version, kind = scalar(part.node, "apiVersion"), scalar(part.node, "kind")
    if is_list(version, kind):
        note_snapshot(kind, scalar(part.node, "recordedTime"), part.place, found)
        items = child(part.node, "items")
        for one in items.value if isinstance(items, yaml.SequenceNode) else ():
            _sort(_Part(part.file, part.first_line, one), found)
        return
    if is_read(version, kind, part.place, found):
        value, problems = construct(part.node, part.file, part.first_line)
        found.problems += problems
        if isinstance(value, dict) and not problems:
            found.items.append(Item(value, part.place, part.node, part.first_line))
