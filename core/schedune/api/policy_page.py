"""The reference page of the scheduling policy, from the model itself."""

from typing import Any

from pydantic import BaseModel

from schedune.api.field_table import render_table
from schedune.api.scheduling_policy import SchedulingPolicy, ScoreWeights, VersionFloor

_INTRODUCTION = """\
# Scheduling policy

Generated from `core/schedune/api/scheduling_policy.py` by `make crds`; do not edit.

What a decision depends on beside the fleet, the intent and the time. The operator reads it from `policy` of its
[settings file](settings.md), `schedune explain` from `--policy FILE`; what is left out has the default.
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
        parts.append(render_table(model, _render))
    return "\n".join(parts)


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
