"""Rows about a VMWorkload that cannot be served as written."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage

FIELD_NOT_SUPPORTED_YET: Final = Row(
    "FIELD_NOT_SUPPORTED_YET", "FieldNotSupportedYet", Stage.INTENT, Actor.USER, Precedence.MISCONFIGURED,
    "{subject}: '{observed}' is part of the API, but this version of Schedune does not act on it",
    "leave the field out; it is refused so that nothing you ask for is ignored in silence",
    "The spec uses a field whose function comes with a later version.",
)  # fmt: skip
PRIORITY_CLASS_MISSING: Final = Row(
    "PRIORITY_CLASS_MISSING", "PriorityClassMissing", Stage.INTENT, Actor.USER, Precedence.MISCONFIGURED,
    "{subject}: there is no PriorityClass '{observed}'",
    "name one that kubectl get priorityclasses shows, or have it created; the workload is looked at again then",
    "The spec names a PriorityClass that does not exist.",
)  # fmt: skip
INVALID_FIELD: Final = Row(
    "INVALID_FIELD", "InvalidField", Stage.INTENT, Actor.USER, Precedence.MISCONFIGURED,
    "{subject}: {observed}: {required}",
    "correct the field in the manifest and apply it again",
    "The spec says something that cannot be meant, and that the API server could not see.",
)  # fmt: skip
