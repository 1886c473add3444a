"""One workload explained: the very words of ``schedune explain``, and those in its status."""

from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from schedune.api.vmworkload import VMWorkload, VMWorkloadStatus
from schedune.codes.row import Reason
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.explaining.explain import explain
from schedune.explaining.form import Position
from schedune.explaining.text import MOST_NODES, render_workload
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune.telling.page import READABLE, Page
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.holds import name_of_hold
from schedune_operator.seen.reading import Reading


@dataclass(frozen=True)
class Given:
    """A workload of the cluster: its fields stand in no file."""

    workload: VMWorkload
    intent: Intent
    refusals: tuple[Reason, ...] = field(default_factory=tuple)

    def position_of(self, _field: str = "") -> Position:
        """Return the object."""
        return Position(file=f"VMWorkload/{self.workload.metadata.name}")

    def position_of_demand(self, _field: str) -> Position:
        """Return the object."""
        return self.position_of()


def explained(reading: Reading, key: Key, raw: Raw) -> list[str]:
    """Judge a workload anew, as if its own VM were not there, and say what came of it."""
    workload = read_workload(raw)
    if isinstance(workload, tuple):
        return _refused(workload)
    intent = parse_intent(workload, _held(raw))
    if not isinstance(intent, Intent):
        return _refused(intent)
    given = Given(workload, intent, unsupported_fields(workload.spec))
    placement = reading.world.placement(key)
    if placement is not None:
        # That this very VM lives must not stand in its own way.
        given = replace(given, intent=replace(intent, uid="/".join(key)))
    fleet, uid = reading.fleet(), placement.metadata.uid if placement is not None else ""
    with fleet.without(uid, name_of_hold(key)):
        decision = decide(fleet, given.intent, now=reading.clock(), policy=reading.policy)
        node = placement.spec.node_name if placement is not None else ""
        told = explain(given, Explanation(decision), node, most_nodes=MOST_NODES)
    return render_workload(told, Page(READABLE))


def _refused(reasons: tuple[Reason, ...]) -> list[str]:
    return [f"{one.row.code}: {one.message}; {one.row.remedy}" for one in reasons]


def _held(raw: Raw) -> VMWorkloadStatus:
    """Read what the operator wrote; what cannot be read is lost history, nothing else."""
    try:
        return VMWorkloadStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        return VMWorkloadStatus()
