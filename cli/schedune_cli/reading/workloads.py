"""VMWorkloads as they were given, read into intents; what cannot be meant is a problem."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from schedune.api.vmworkload import VMWorkload, VMWorkloadStatus
from schedune.codes.row import Reason
from schedune.explaining.form import Position
from schedune.launch.intent import Intent, parse_intent, unsupported_fields
from schedune_cli.problems import Place, Problem, problem_of
from schedune_cli.reading.numbers import uncountable_amount
from schedune_cli.reading.objects import Item, Key
from schedune_cli.reading.validation import validate


@dataclass(frozen=True, eq=False, slots=True)
class Given:
    """One workload that is to be judged."""

    workload: VMWorkload
    intent: Intent
    item: Item
    refusals: tuple[Reason, ...] = ()
    """Fields that this version does not act on: the operator would refuse the workload."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.intent.namespace, self.intent.name

    def position_of(self, field: str = "") -> Position:
        """Return where a field stands, or the part nearest to it; "": the object."""
        return _position(self.item.place_of(field))

    def position_of_demand(self, field: str) -> Position:
        """Return where a field stands, or the object where it is not written down."""
        return _position(self.item.place_of_demand(field))


def _position(place: Place) -> Position:
    return Position(file=place.file, line=place.line)


def read_given(
    item: Item, namespace: str, held: VMWorkloadStatus, uid: str = "", namespace_uid: str = ""
) -> Given | list[Problem]:
    """Return a workload of a file or a cluster, in a namespace where it names none.

    ``held`` and ``uid`` are those of the object of this name that the fleet was recorded with,
    ``namespace_uid`` is that of its namespace; "": not recorded, so that its name has to do.
    """
    found = validate(VMWorkload, item, {k: v for k, v in item.raw.items() if k != "status"})
    if not isinstance(found, VMWorkload):
        return found
    amounts = {"spec.resources.memory": found.spec.resources.memory}
    if found.spec.resources.hugepages is not None:
        amounts["spec.resources.hugepages"] = found.spec.resources.hugepages
    for number, disk in enumerate(found.spec.disks):
        if disk.source.empty is not None:
            amounts[f"spec.disks.{number}.source.empty.size"] = disk.source.empty.size
    problems = [
        one for path, text in amounts.items() for one in uncountable_amount(text, path, item)
    ]
    if problems:
        return problems
    workload = _named(found, namespace, uid)
    intent = parse_intent(workload, held)
    if not isinstance(intent, Intent):
        return [problem_of(reason, item.place_of(reason.subject)) for reason in intent]
    intent = replace(intent, namespace_uid=namespace_uid)
    return Given(workload, intent, item, unsupported_fields(workload.spec))


def _named(found: VMWorkload, namespace: str, uid: str) -> VMWorkload:
    """Complete what only a cluster gives: without a UID, rules between VMs would see no other."""
    given = found.metadata
    named = given.namespace or namespace
    known = uid or given.uid or f"{named}/{given.name}"
    metadata = given.model_copy(update={"namespace": named, "uid": known})
    return found.model_copy(update={"metadata": metadata})


def read_status(item: Item) -> VMWorkloadStatus:
    """Return what the operator wrote; what cannot be read is lost history, nothing else."""
    raw = item.raw.get("status")
    try:
        status = VMWorkloadStatus.model_validate(raw if isinstance(raw, Mapping) else {})
    except ValidationError:
        return VMWorkloadStatus()
    return status if _has_zones(status) else VMWorkloadStatus()


def _has_zones(status: VMWorkloadStatus) -> bool:
    times: list[datetime | None] = [one.end_time for one in status.history]
    return all(time is None or time.tzinfo is not None for time in times)
