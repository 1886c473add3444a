"""The reference page of the table, for people who look a code up."""

from schedune.codes.row import Row, Stage
from schedune.codes.table import TABLE

_INTRODUCTION = """\
# Reason codes

Generated from `core/schedune/codes` by `make crds`; do not edit.

A `code` is the identifier in data (status fields, JSON); `reason` is the same thing as conditions
and Events spell it. Codes are appended, never renamed and never reused.
"""


def render_page() -> str:
    """Return the page: one section per stage, one entry per code."""
    parts = [_INTRODUCTION]
    for stage in Stage:
        rows = sorted(
            (row for row in TABLE.values() if row.stage is stage), key=lambda row: row.code
        )
        if rows:
            parts.append(f"## {stage.value}\n")
            parts += [_entry(row) for row in rows]
    return "\n".join(parts)


def _entry(row: Row) -> str:
    remedy = f"- **Remedy** ({row.actor.value.lower()}): {row.remedy}\n" if row.remedy else ""
    return (
        f"### {row.code}\n\n"
        f"- **Reason**: `{row.reason}`\n"
        f"- **Given when**: {row.cause}\n"
        f"- **Says**: {row.sentence}\n"
        f"{remedy}"
    )
