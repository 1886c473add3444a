"""What a check says: on which nodes it objects, and why on each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from schedune.api.vmworkload import Backend
from schedune.codes.row import Reason, Row
from schedune.fleet.fleet import Fleet, Mask
from schedune.launch.intent import Intent


@dataclass(frozen=True, eq=False)
class Finding:
    """One atom: one demand of the intent, or one state of nodes, that stands in the way.

    ``testify`` renders the evidence for one row and is asked only for nodes that
    somebody is told about. ``follows`` names the atom of which this one is a mere
    consequence on the nodes where both hold.
    """

    atom: str
    row: Row
    objects: Mask
    testify: Callable[[int], Reason]
    backend: Backend | None = None
    follows: str | None = None
    bound: Callable[[int], str] | None = None
    """What would pass on that node, as a phrase: ``memory <= 3.9Gi``."""


Check = Callable[[Fleet, Intent, datetime], Iterable[Finding]]


def by_row(
    atom: str,
    answers: list[Reason | None],
    *,
    backend: Backend | None = None,
    follows: str | None = None,
) -> list[Finding]:
    """Make findings, one per code, of one answer per node."""
    rows = {reason.row.code: reason.row for reason in answers if reason is not None}
    findings = []
    for code in sorted(rows):
        mask = [reason is not None and reason.row.code == code for reason in answers]
        findings.append(
            Finding(
                f"{atom}/{code}",
                rows[code],
                np.array(mask, np.bool_),
                lambda index: _testimony(answers, index),
                backend=backend,
                follows=follows,
            )
        )
    return findings


def _testimony(answers: list[Reason | None], index: int) -> Reason:
    reason = answers[index]
    if reason is None:
        raise LookupError(f"nothing stands against row {index}")
    return reason
