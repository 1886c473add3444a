"""Models that are kept for long, without what each of them would hold for itself."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

_SETS: dict[frozenset[str], set[str]] = {}
"""As many as there are ways to fill in our models: few."""


def share_field_sets(model: BaseModel) -> None:
    """Let models in which the same fields were given hold one set of their names.

    Of a NodeTruth these sets are a third of all it takes. Frozen models change no set: a copy
    that is told more fields has its own.
    """
    given = model.__pydantic_fields_set__
    object.__setattr__(model, "__pydantic_fields_set__", _SETS.setdefault(frozenset(given), given))
    for value in model.__dict__.values():
        for part in _parts(value):
            if isinstance(part, BaseModel):
                share_field_sets(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else (value,)
