"""What a node is asked: could the smallest VM be launched here, by which backend, and how?

The decision's own checks answer. What no node could know yet, the files of that VM, is left
out of what they say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schedune.api.choices import Acceleration, Backend
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import VMWorkload
from schedune.decision.against import everything_against
from schedune.decision.causes import Cause
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord, NodeRecord
from schedune.launch.intent import Intent, parse_intent

_FILE: Final = "any"
_FILES: Final = f"artifact/{_FILE}"
_LONGEST_AGE_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Stands:
    """What stands against the smallest VM on one node, with one acceleration."""

    common: tuple[Cause, ...]
    """Whatever runs the VM."""
    backends: Mapping[Backend, tuple[Cause, ...]]
    """Of each backend's own."""


def ask(
    record: NodeRecord,
    claims: Sequence[ClaimRecord],
    acceleration: Acceleration,
    *,
    now: datetime,
    policy: SchedulingPolicy,
) -> Stands:
    """Return everything against launching the smallest VM on a node, for every backend.

    Every backend is judged, whichever the policy uses: that is a choice, no fact of the node.
    """
    every = policy.model_copy(update={"backends": list(Backend)})
    fleet = Fleet.of([record], claims)
    decision = decide(fleet, _smallest(acceleration), now=now, policy=every)
    against = everything_against(Explanation(decision).matrix, fleet.row[record.name])
    return Stands(
        _without_files(against.common),
        {backend: _without_files(causes) for backend, causes in against.backends.items()},
    )


def _without_files(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    return tuple(one for one in causes if one.atom != _FILES)


def _smallest(acceleration: Acceleration) -> Intent:
    workload = VMWorkload.model_validate({
        "metadata": {"name": "smallest", "namespace": "default", "uid": "smallest"},
        "spec": {
            "runtimeClass": "MicroVM",
            "architecture": "Any",
            "acceleration": acceleration.value,
            "resources": {"vcpus": 1, "memory": "64Mi"},
            "boot": {"kernel": {"artifact": _FILE}, "initrd": {"artifact": _FILE}},
            "backend": {"preference": [one.value for one in Backend]},
            "placement": {"maxTruthAgeSeconds": _LONGEST_AGE_S},
        },
    })  # fmt: skip
    intent = parse_intent(workload)
    if not isinstance(intent, Intent):
        raise TypeError(f"the smallest VM is refused: {intent[0].message}")
    return intent
