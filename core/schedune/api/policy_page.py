"""The reference page of the scheduling policy, from the model itself."""

from typing import Any

from pydantic import BaseModel

from schedune.api.scheduling_policy import SchedulingPolicy, ScoreWeights, VersionFloor

_INTRODUCTION = """\
# Scheduling policy

Generated from `core/schedune/api/scheduling_policy.py` by `make crds`; do not edit.

What a decision depends on beside the fleet, the intent and the time. The operator reads it from `policy` of its
settings file, `schedune explain` from `--policy FILE`; what is left out has the default.
"""


def render_policy_page() -> str:
    """Return the page: one table for each part."""
    parts = [_INTRODUCTION]
    for title, model in (
        ("Policy", SchedulingPolicy),
        ("weights", ScoreWeights),
        ("versionFloors[]", VersionFloor),
    ):
        parts.append(f"## {title}\n")
        parts.append("| field | default | meaning |\n|---|---|---|\n" + _rows(model))
    return "\n".join(parts)


def _rows(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = (
            "" if field.is_required() else _render(field.get_default(call_default_factory=True))
        )
        rows.append(f"| `{field.alias or name}` | {default} | {field.description or ''} |\n")
    return "".join(rows)


def _render(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, list):
        return "<br>".join(_render_item(one) for one in value)
    return f"`{value}`"


def _render_item(value: Any) -> str:
    if isinstance(value, VersionFloor):
        scope = value.line or value.disk_format
        return f"`{value.name}` {value.minimum}" + (f" ({scope})" if scope else "")
    return f"`{value}`"
