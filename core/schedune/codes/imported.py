"""Rows about facts that come from documents of the original system."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage

CAP_NOT_EXPLAINED: Final = Row(
    "CAP_NOT_EXPLAINED", "CapabilityNotExplained", Stage.PROBE, Actor.NOBODY, Precedence.INFORMATION,
    "the imported facts give no reason: {observed}", "",
    "schedune import read a capability without a reason code, or with one that cannot be written here.",
)  # fmt: skip
