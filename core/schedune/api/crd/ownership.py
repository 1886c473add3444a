"""How finely the API server notes who wrote which field of a kind.

It notes one owner for each leaf unless it is told that a part has one owner as a whole. Where
one of us alone writes a part that note says nothing, and it is large: a quarter of a workload,
merged and stored anew with each write.
"""

from enum import Enum

from schedune.api.crd.schema import Schema

_MAP_TYPE = "x-kubernetes-map-type"
_CONDITIONS = "conditions"


class Owned(Enum):
    """What of a spec or a status has one owner."""

    BY_FIELD = "each field: people and GitOps tools write some of them each"
    BY_PART = "each part but conditions, which are kept by type: those have several writers"
    WHOLE = "all of it"


def with_owners(schema: Schema, owned: Owned) -> Schema:
    """Return the schema of a spec or a status that says so; what it accepts stays the same."""
    match owned:
        case Owned.BY_FIELD:
            return schema
        case Owned.WHOLE:
            return _whole(schema)
        case Owned.BY_PART:
            parts = {
                name: part if name == _CONDITIONS else _whole(part)
                for name, part in schema["properties"].items()
            }
            return {**schema, "properties": parts}


def _whole(part: Schema) -> Schema:
    """Let a part have one owner; of a list that is kept by a key, each of its items."""
    if part.get("type") == "object":
        return {**part, _MAP_TYPE: "atomic"}
    if part.get("type") == "array":
        return {**part, "items": _whole(part["items"])}
    return part
