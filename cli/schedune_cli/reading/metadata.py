"""What Kubernetes itself asks of an object: known metadata, and names that it takes."""

import re
from collections.abc import Iterator
from typing import Final

from schedune.api.written import meant
from schedune_cli.problems import CORRECT, Problem, shorten
from schedune_cli.reading.objects import Item, Raw

NEWER: Final = "remove it; or is it of a newer Schedune?"
NO_SUCH_FIELD: Final = "there is no such field"
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL: Final = re.compile(_LABEL)
_DNS_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_WORD: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 253
_FIELDS: Final = frozenset({
    "name", "generateName", "namespace", "labels", "annotations", "uid", "resourceVersion",
    "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "ownerReferences", "finalizers", "managedFields", "selfLink",
})  # fmt: skip
"""Kubernetes' own; everything else is a slip of the pen."""
_NAME_TOLD: Final = (
    "must be lower-case letters, digits, '-' and '.', at most 253, and begin and end each part"
    " with a letter or a digit"
)
_NAMESPACE_TOLD: Final = (
    "must be lower-case letters, digits and '-', at most 63, and begin and end with a letter or"
    " a digit"
)
_WORD_TOLD: Final = (
    "must be letters, digits, '-', '_' and '.', at most 63, and begin and end with a letter or a"
    " digit"
)
_KEY_TOLD: Final = f"is no key: {_WORD_TOLD}; a DNS name and '/' may stand before it"


def metadata_problems(item: Item) -> Iterator[Problem]:
    """Give everything that the API server refuses of an object's metadata."""
    metadata = item.raw.get("metadata")
    if not isinstance(metadata, dict):
        return
    for name in sorted(set(metadata) - _FIELDS):
        near = meant(name, sorted(_FIELDS))
        remedy = f"did you mean {near}?" if near else NEWER
        yield _problem(item, name, metadata[name], NO_SUCH_FIELD, remedy)
    if "generateName" in metadata and "name" not in metadata:
        told, remedy = "is no name by which to speak of it", "give metadata.name"
        path = "metadata.generateName"
        yield Problem(item.place_of(path), path, "", told, remedy)
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if isinstance(name, str) and not _is_subdomain(name):
        yield _problem(item, "name", name, _NAME_TOLD)
    if isinstance(namespace, str) and namespace and not _fits(_DNS_LABEL, namespace):
        yield _problem(item, "namespace", namespace, _NAMESPACE_TOLD)
    yield from _label_problems(item, metadata)


def without_nulls_in_metadata(raw: Raw) -> Raw:
    """Return an object without fields of its metadata that hold null: they are as unset."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return raw
    return {**raw, "metadata": {key: one for key, one in metadata.items() if one is not None}}


def _label_problems(item: Item, metadata: Raw) -> Iterator[Problem]:
    """Refuse keys and values by which nobody can select."""
    for field in ("labels", "annotations"):
        held = metadata.get(field)
        for key, value in held.items() if isinstance(held, dict) else ():
            path = f"{field}.{key}"
            if not _is_key(key if field == "labels" else key.lower()):
                yield _problem(item, path, key, _KEY_TOLD)
            if field == "labels" and isinstance(value, str) and not _is_label_value(value):
                yield _problem(item, path, value, _WORD_TOLD)


def _problem(item: Item, field: str, value: object, told: str, remedy: str = CORRECT) -> Problem:
    path = f"metadata.{field}"
    return Problem(item.place_of(path), path, shorten(repr(value)), told, remedy)


def _fits(form: re.Pattern[str], text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and form.fullmatch(text) is not None


def _is_subdomain(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _DNS_SUBDOMAIN.fullmatch(text) is not None


def _is_key(text: str) -> bool:
    prefix, slash, word = text.rpartition("/")
    return _fits(_WORD, word) and (not slash or _is_subdomain(prefix))


def _is_label_value(text: str) -> bool:
    return not text or _fits(_WORD, text)
