"""The reference page of what operator and agents are told, from their models."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from schedune.api.field_table import render_table
from schedune.api.scheduling_policy import SchedulingPolicy

_INTRODUCTION = """\
# Settings of operator and agent

Generated from `operator/schedune_operator/settings.py` and `agent-daemonset/schedune_agent/settings.py` by `make crds`;
do not edit.

Each process reads one file, whole, when it starts: how to replace it says [install.md](../install.md#settings). A field
that is not here, or a value that cannot be, is an error that names it, and the process ends. What is left out has the
default, also where the file that was installed said something else: `observability` is on loopback then, where the
kubelet's probes do not come. A field without a default has to be there when its part is.
"""


def render_settings_page(operator: type[BaseModel], agent: type[BaseModel]) -> str:
    """Return the page: for each process a table, and one for each part of it."""
    parts = [_INTRODUCTION]
    for title, model in (
        ("Operator: `operator.yaml`", operator),
        ("Agent: `agent.yaml`", agent),
    ):
        parts += [f"## {title}\n", render_table(model, _render)]
        for path, inner in _parts_of(model):
            parts += [f"### {path}\n", render_table(inner, _render)]
    return "\n".join(parts)


def _parts_of(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Give the fields that have fields of their own; the policy has a page of its own."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None and not issubclass(inner, SchedulingPolicy):
            yield field.alias or name, inner


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in ``Model`` or ``Model | None``."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _render(value: Any) -> str:
    if value is None or value == "":
        return "unset"
    if isinstance(value, SchedulingPolicy):
        return "[its page](scheduling-policy.md)"
    if isinstance(value, BaseModel):
        said = value.model_dump(mode="json", by_alias=True, exclude_none=True)
        return "`{" + ", ".join(f"{key}: {_plain(one)}" for key, one in said.items()) + "}`"
    if isinstance(value, list):
        return "<br>".join(f"`{one}`" for one in value)
    return f"`{value}`"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
