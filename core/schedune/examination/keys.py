"""By what an element of a list is spoken of: as few of its fields as keep it apart from others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydantic import BaseModel

_FIRST: Final = ("name", "type")
"""Fields that are a name where there is one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Names for the elements of lists, made of the same fields for all of them."""

    fields: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    """For each list, for each of its elements."""


def keys_of(*lists: Sequence[BaseModel]) -> Keys:
    """Name every element; elements that are alike in all that could tell them are numbered."""
    model = next((type(one) for each in lists for one in each), None)
    candidates = _candidates(model) if model else ()
    for count in range(1, len(candidates) + 1):
        fields = candidates[:count]
        names = tuple(tuple(_name(one, fields) for one in each) for each in lists)
        if all(len(set(each)) == len(each) for each in names):
            return Keys(fields, names)
    return Keys(
        candidates,
        tuple(_numbered([_name(one, candidates) for one in each]) for each in lists),
    )


def _candidates(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the fields of which a name may be made, the likeliest first."""
    fields = model.model_fields
    first = [one for one in _FIRST if one in fields]
    required = [name for name, one in fields.items() if one.is_required()]
    return tuple(dict.fromkeys([*first, *(required or fields)]))


def _name(element: BaseModel, fields: Sequence[str]) -> str:
    values = (getattr(element, one) for one in fields)
    return "/".join(
        str(one.value if isinstance(one, Enum) else one)
        for one in values
        if isinstance(one, (str, int, Enum))
    )


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(told)
