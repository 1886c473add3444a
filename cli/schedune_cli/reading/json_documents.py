"""JSON: read fast, and without the lines of fields."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from schedune_cli.problems import Place, shorten
from schedune_cli.reading.kinds import SNAPSHOT, is_list, is_read, note_snapshot
from schedune_cli.reading.objects import Item, Objects, Raw
from schedune_cli.reading.sources import Source


def read_json(source: Source, found: Objects) -> None:
    """Read JSON values that stand one after the other."""
    decoder, text = json.JSONDecoder(object_pairs_hook=_once), source.text
    position = _skip_space(text, 0)
    try:
        while position < len(text):
            place = Place(source.name, text.count("\n", 0, position) + 1)
            value, position = decoder.raw_decode(text, position)
            _sort(value, place, found)
            position = _skip_space(text, position)
    except json.JSONDecodeError as error:
        place = Place(source.name, error.lineno)
        found.refuse(place, f"is no JSON: {error.msg}", "correct the JSON")
    except (ValueError, RecursionError) as error:
        place = Place(source.name, text.count("\n", 0, position) + 1)
        found.refuse(place, f"cannot be used: {shorten(error)}", "correct the JSON")


def _once(pairs: Sequence[tuple[str, Any]]) -> Raw:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{shorten(twice)}' occurs twice")
    return found


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _sort(value: object, place: Place, found: Objects) -> None:
    if not isinstance(value, dict):
        found.refuse(place, "is no Kubernetes object", "give a manifest", shorten(value))
        return
    version, kind = str(value.get("apiVersion") or ""), str(value.get("kind") or "")
    if is_list(version, kind):
        note_snapshot(kind, str(value.get("recordedTime") or ""), place, found)
        items = value.get("items")
        for one in items if isinstance(items, list) else ():
            _sort(_with_head(one, version, kind), place, found)
    elif is_read(version, kind, place, found):
        found.items.append(Item(value, place))


def _with_head(one: object, version: str, kind: str) -> object:
    """Give an element of a typed list what the API server leaves out of it."""
    if not isinstance(one, Mapping) or "kind" in one or kind in ("List", SNAPSHOT):
        return one
    return {"apiVersion": version, "kind": kind.removesuffix("List"), **one}
