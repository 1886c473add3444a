"""A merge patch that leaves nothing of what was stored before."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from schedune.api.base import ApiModel


def replacing(model: type[ApiModel], rendered: Mapping[str, object]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) after which a rendered object is exactly this one.

    Objects are merged into what is stored: a field that a patch does not name stays there. So
    each absent one is null, within objects too; lists are replaced whole.
    """
    patch: dict[str, Any] = {}
    for key, inner in _fields_of(model):
        value = rendered.get(key)
        patch[key] = replacing(inner, value) if inner and isinstance(value, dict) else value
    return patch


@cache
def _fields_of(model: type[ApiModel]) -> tuple[tuple[str, type[ApiModel] | None], ...]:
    """Return the fields as the API spells them, with the model of what is in them, if any."""
    return tuple(
        (field.alias or name, _model_in(field.annotation))
        for name, field in model.model_fields.items()
    )


def _model_in(annotation: object) -> type[ApiModel] | None:
    among = (annotation, *get_args(annotation))
    return next((one for one in among if isinstance(one, type) and issubclass(one, ApiModel)), None)
