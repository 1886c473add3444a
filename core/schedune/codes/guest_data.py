"""Rows about what is told to the guest and cannot be read or used."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(code: str, reason: str, sentence: str, remedy: str, cause: str) -> Row:
    return Row(
        code, reason, Stage.EXECUTION, Actor.USER, Precedence.INFORMATION, sentence, remedy, cause
    )


FORBIDDEN: Final = _row(
    "GUEST_DATA_FORBIDDEN",
    "GuestDataForbidden",
    "{subject}: the agent may not read {observed}; it needs {required}",
    "grant it in the workload's namespace: docs/guest-data.md has the Role and its RoleBinding",
    "Agents hold no right to read Secrets; a namespace grants it by name, and this one has not.",
)
MISSING: Final = _row(
    "GUEST_DATA_MISSING",
    "GuestDataMissing",
    "{subject}: there is no {observed}",
    "make the Secret with this key, or name another one",
    "The Secret that spec.guest names does not exist, or has no such key.",
)
UNUSABLE: Final = _row(
    "GUEST_DATA_UNUSABLE",
    "GuestDataUnusable",
    "{subject}: {observed}; it must be {required}",
    "correct the Secret's value; its content is never shown",
    "What the Secret holds cannot be given to the guest.",
)
