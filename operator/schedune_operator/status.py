"""VMWorkload.status: put together, compared, written only when it says something new."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from schedune.api.evaluation import Evaluation
from schedune.api.merge_patch import replacing
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Attempt, VMWorkloadStatus
from schedune.lifecycle.disks import homes_of
from schedune.lifecycle.situation import Situation, conditions_of
from schedune_kube.client import Raw

_AGE: Final = re.compile(r"\b\d+ s\b")


@dataclass(frozen=True)
class Answer:
    """All that is to be told about one workload."""

    situation: Situation
    evaluation: Evaluation | None = None
    placement: VMPlacement | None = None
    history: Sequence[Attempt] = field(default_factory=tuple)


def render_status(answer: Answer, held: VMWorkloadStatus, generation: int, now: datetime) -> Raw:
    """Return the whole status."""
    placement = answer.placement
    return VMWorkloadStatus(
        conditions=conditions_of(answer.situation, held.conditions, generation=generation, now=now),
        addresses=placement.status.addresses if placement else [],
        evaluation=answer.evaluation or held.evaluation,
        history=list(answer.history),
        node_name=placement.spec.node_name if placement else None,
        observed_generation=generation,
        persistent_disks=homes_of(held.persistent_disks, placement),
        placement_uid=placement.metadata.uid if placement else None,
        reason=answer.situation.ready.row.reason,
        why=list(answer.situation.why),
    ).render()


def says_the_same(fresh: Raw, held: Raw) -> bool:
    """Compare without what only ages: rewriting that would be noise for every watcher."""
    return _ageless(fresh) == _ageless(held)


def _ageless(status: Raw) -> str:
    evaluation = {k: v for k, v in (status.get("evaluation") or {}).items() if k != "time"}
    return _AGE.sub("N s", json.dumps({**status, "evaluation": evaluation}, sort_keys=True))


def status_patch(status: Raw, resource_version: str) -> dict[str, Any]:
    """Return a merge patch that makes the status exactly this, at this version only."""
    return {
        "metadata": {"resourceVersion": resource_version},
        "status": replacing(VMWorkloadStatus, status),
    }
