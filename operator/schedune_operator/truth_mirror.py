"""What is kept of a NodeTruth: it is read once, as it comes, and held in one form.

A fleet's truths are most of what the operator holds.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from types import NoneType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from schedune.api.nodetruth import NodeTruth
from schedune.api.quantity import QuantityError
from schedune.fleet.profile import Interner, facts_of
from schedune_kube.client import Raw
from schedune_kube.lean import lean, stamps_of
from schedune_kube.times import latest

_LOG: Final = logging.getLogger(__name__)
_SETS: Final[dict[frozenset[str], set[str]]] = {}
"""As many as there are ways to fill in our models: few."""
_HOLDS_NO_MODEL: Final = frozenset({str, int, NoneType, datetime})
"""Most values are of these; whether something is a model is asked slowly."""


def remember_truth(raw: Raw) -> Raw:
    """Return what is kept: what is compared as it was written, and all of it as it was read.

    ``read`` is the NodeTruth; None: it cannot be read, and nothing is known of the node.
    ``written`` is when its agent last wrote it, by the server's clock; None: nobody knows.
    """
    metadata = {key: one for key, one in raw["metadata"].items() if key != "managedFields"}
    whole = lean({**raw, "metadata": metadata})
    status = whole.pop("status", None) or {}
    return {
        **whole,
        "status": {key: one for key, one in status.items() if key == "liveVMs"},
        "read": _read({**whole, "status": status}),
        "written": latest(stamp["time"] for stamp in stamps_of(raw)),
    }


def _read(raw: Raw) -> NodeTruth | None:
    """Read a truth whose numbers are numbers: one node's nonsense stops no decision."""
    try:
        truth = NodeTruth.model_validate(raw)
        facts_of(truth, Interner())
    except (ValidationError, QuantityError) as error:
        name = raw["metadata"]["name"]
        _LOG.error("truth.unreadable", extra={"node": name, "error": str(error)})
        return None
    _share_field_sets(truth)
    return truth


def _share_field_sets(model: BaseModel) -> None:
    """Let models in which the same fields were given hold one set of their names.

    Of a NodeTruth these sets are a third of all it takes. Frozen models change no set: a copy
    that is told more fields has its own.
    """
    given = model.__pydantic_fields_set__
    object.__setattr__(model, "__pydantic_fields_set__", _SETS.setdefault(frozenset(given), given))
    for value in model.__dict__.values():
        if type(value) in _HOLDS_NO_MODEL:
            continue
        for part in _parts(value):
            if isinstance(part, BaseModel):
                _share_field_sets(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else (value,)
