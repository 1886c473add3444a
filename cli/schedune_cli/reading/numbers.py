"""Numbers that are of the right form and yet cannot be counted with."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from schedune.api.nodetruth import NodeTruth
from schedune.api.quantity import QuantityError, parse_bytes
from schedune_cli.problems import Problem
from schedune_cli.reading.objects import Item
from schedune_cli.reading.validation import unread_field

_MOST: Final = 2**53
"""Whole numbers of the API stay below this: JSON readers count no further."""
_MOST_VCPUS: Final = 2**16
_MOST_SECONDS: Final = 10 * 366 * 86_400
_LIMITS: Final = {"vcpus": _MOST_VCPUS, "staleAfterSeconds": _MOST_SECONDS}


def uncountable(truth: NodeTruth, item: Item) -> Iterator[Problem]:
    """Give every number of a truth that no decision can be made with."""
    yield from _walk(truth.status, "status", item)
    declared, offered = truth.spec.capacity, truth.status.capacity
    amounts = {
        f"{path}.{name}": getattr(capacity, name)
        for path, capacity in (("spec.capacity", declared), ("status.capacity", offered))
        if capacity is not None
        for name in ("memory", "disk")
    }
    for number, text in enumerate(offered.hugepages if offered else ()):
        amounts[f"status.capacity.hugepages.{number}"] = text.partition("=")[0]
    for path, text in amounts.items():
        yield from uncountable_amount(text, path, item)


def uncountable_amount(text: str, path: str, item: Item) -> Iterator[Problem]:
    """Say so where a text is no quantity of bytes, or one beyond all machines."""
    try:
        parse_bytes(text)
    except QuantityError as error:
        told = str(error).removeprefix(f"'{text}' ")
        yield unread_field(item, path, text, told)


def _walk(value: object, path: str, item: Item) -> Iterator[Problem]:
    match value:
        case BaseModel():
            for name, field in type(value).model_fields.items():
                yield from _walk(getattr(value, name), f"{path}.{field.alias or name}", item)
        case list():
            for number, one in enumerate(value):
                yield from _walk(one, f"{path}.{number}", item)
        case int():
            most = _LIMITS.get(path.rpartition(".")[2], _MOST)
            if value > most:
                yield unread_field(item, path, value, f"must not exceed {most}")
        case _:
            return
