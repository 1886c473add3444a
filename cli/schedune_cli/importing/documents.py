"""Tell the four documents of the original apart, and find them in a text."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schedune_cli.importing.envelope import import_envelope
from schedune_cli.importing.intent import import_intent
from schedune_cli.importing.launch_spec import import_launch_spec
from schedune_cli.importing.notes import Imported, Problem, Refused, render_value
from schedune_cli.importing.plan import import_plan
from schedune_cli.importing.workload import ImportPolicy

_Importer = Callable[[Mapping[str, object], ImportPolicy], Imported | Refused]
_WHITESPACE: Final = " \t\r\n"
_DEEPEST_LIST: Final = 4


class NotJSONError(ValueError):
    """A text that holds no JSON; says where and why."""


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """One of the original's documents, and the fields that only it has."""

    name: str
    signs: frozenset[str]
    read: _Importer


KINDS: Final = (
    DocumentKind(
        "LaunchPlanRequest", frozenset({"workload_intent", "launch_template"}), import_plan
    ),
    DocumentKind(
        "SchedulerEnvelope",
        frozenset({"capabilities", "compatibility", "collection_id", "facts"}),
        lambda raw, _: import_envelope(raw),
    ),
    DocumentKind(
        "WorkloadIntent",
        frozenset({
            "required_architecture", "max_telemetry_age_sec", "required_compatibility_classes",
        }),
        import_intent,
    ),
    DocumentKind(
        "LaunchSpec", frozenset({"vcpu", "memory_mb", "launch_mode", "storage"}), import_launch_spec
    ),
)  # fmt: skip
"""Asked in this order: a plan holds an intent and a template, and is neither."""


def kind_of(raw: Mapping[str, object]) -> DocumentKind | None:
    """Return what a document is; None: none of ours."""
    return next((kind for kind in KINDS if kind.signs & raw.keys()), None)


def import_document(raw: object, policy: ImportPolicy) -> Imported | Refused:
    """Return what any one document means here."""
    if not isinstance(raw, Mapping):
        return (Problem("document", render_value(raw), "must be a JSON object"),)
    kind = kind_of(raw)
    if kind is None:
        names = ", ".join(one.name for one in KINDS)
        remedy = f"has no field by which one is known of {names}"
        return (Problem("document", render_value(sorted(raw)), remedy),)
    return kind.read(raw, policy)


def read_documents(text: str) -> list[object]:
    """Return the documents of a text: JSON values one after the other, lists taken apart.

    Raises:
        NotJSONError: something in it is no JSON.
    """
    return [one for value in _values(text) for one in _flatten(value, _DEEPEST_LIST)]


def _values(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    position = 0
    while True:
        while position < len(text) and text[position] in _WHITESPACE:
            position += 1
        if position == len(text):
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno} column {error.colno}"
            raise NotJSONError(f"{place}: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise NotJSONError(f"character {position + 1}: {error}") from error
        yield value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _flatten(value: object, depth: int) -> Iterator[object]:
    if isinstance(value, list) and depth > 0:
        for one in value:
            yield from _flatten(one, depth - 1)
    else:
        yield value
