"""Tables of reference pages: the fields of a model, from the model itself."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel


def render_table(model: type[BaseModel], render: Callable[[Any], str]) -> str:
    """Return one row for each field; ``render`` says what its default looks like."""
    return "| field | default | meaning |\n|---|---|---|\n" + "".join(_rows(model, render))


def _rows(model: type[BaseModel], render: Callable[[Any], str]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = (
            "" if field.is_required() else render(field.get_default(call_default_factory=True))
        )
        # In a docstring code has two of these marks, and lines end where the source's do.
        meaning = " ".join((field.description or "").replace("``", "`").split())
        yield f"| `{field.alias or name}` | {default} | {meaning} |\n"
