"""A node that is drained: what would become of its VMs, and what has become of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schedune.api.base import ApiModel, Time
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.codes import summary as codes
from schedune_cli.judging.simulation import Plan, SimulatedFate, simulate
from schedune_cli.reading.objects import Key
from schedune_cli.recording.world import World

Raw = Mapping[str, Any]


class DrainedVM(ApiModel):
    """What becomes, or has become, of one VM."""

    name: str
    """Name of its VMWorkload."""
    namespace: str
    """Namespace."""
    outcome: Literal["Moves", "Stays", "Ends", "Waits", "Leaves", "Left", "Unknown"]
    """In one word. Planned: Moves, Stays, Ends (it needs no node), Unknown. Under way: Waits (for
    its turn), Leaves, Stays, Left."""
    after: str = ""
    """Node it goes to, or is on now; empty: none."""
    message: str = ""
    """Why, and how many nodes could run it."""
    nearest: str = ""
    """For one that stays: the nearest node, and what would have to change there."""


class DrainReport(ApiModel):
    """A node, and the VMs that are to leave it."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["DrainReport"] = "DrainReport"
    node_name: str
    """The node."""
    time: Time
    """For which moment it is told."""
    state: Literal["Planned", "Draining", "Drained", "CalledOff"]
    """How far it has come; CalledOff: spec.scheduling is not Draining any more."""
    vms: list[DrainedVM] = Field(default_factory=list)
    """By namespace and name."""

    @property
    def leaves_nobody(self) -> bool:
        """Whether no VM stays on the node."""
        return not any(one.outcome in _STAYING for one in self.vms)


_STAYING: Final = ("Stays", "Waits", "Leaves", "Unknown")
_PLANNED: Final[Mapping[str, Literal["Moves", "Stays", "Ends"]]] = {
    "Moves": "Moves",
    "Stranded": "Stays",
    "Refused": "Stays",
    "Ends": "Ends",
}


def plan_drain(world: World, node: str, *, now: datetime, policy: SchedulingPolicy) -> DrainReport:
    """Tell what would become of every VM of a node, one after another, before anything is done."""
    told = simulate(world, Plan(drain=[node]), now=now, policy=policy)
    concerned = (one for one in told.fates if one.before == node or one.outcome == "Unknown")
    vms = [_planned(one) for one in concerned]
    return DrainReport(node_name=node, time=now, state="Planned", vms=vms)


def _planned(fate: SimulatedFate) -> DrainedVM:
    return DrainedVM(
        namespace=fate.namespace,
        name=fate.name,
        outcome=_PLANNED.get(fate.outcome, "Unknown"),
        after=fate.after,
        message=fate.message,
        nearest=fate.nearest,
    )


def look_at_drain(
    node: str,
    known: Sequence[Key],
    placements: Mapping[Key, Raw],
    workloads: Mapping[Key, Raw],
    *,
    is_draining: bool,
    now: datetime,
) -> DrainReport:
    """Tell what has become so far of the VMs of a node that is being drained.

    ``known`` are those that were on it before; ``placements`` are the VMs of all of them.
    """
    here = [key for key, one in placements.items() if _is_on(node, one)]
    vms = [
        _seen(key, node, placements.get(key), workloads.get(key)) for key in sorted({*known, *here})
    ]
    left = any(one.outcome != "Left" for one in vms)
    state: Literal["Draining", "Drained", "CalledOff"] = "Draining" if left else "Drained"
    return DrainReport(
        node_name=node, time=now, state=state if is_draining else "CalledOff", vms=vms
    )


def _is_on(node: str, placement: Raw) -> bool:
    """Say whether a placement holds something of a node."""
    spec = placement["spec"]
    is_ended = (placement.get("status") or {}).get("ended")
    return spec["nodeName"] == node and spec["mode"] == "Execute" and not is_ended


def _seen(key: Key, node: str, placement: Raw | None, workload: Raw | None) -> DrainedVM:
    namespace, name = key
    found = DrainedVM(namespace=namespace, name=name, outcome="Left")
    if placement is None:
        return found
    bound = placement["spec"]["nodeName"]
    if not _is_on(node, placement):
        return found.model_copy(update={"after": "" if bound == node else bound})
    scheduled, ready = _condition(workload, "Scheduled"), _condition(workload, "Ready")
    if placement["spec"].get("stop"):
        told = ready.get("message", "")
        return found.model_copy(update={"outcome": "Leaves", "message": told})
    if scheduled.get("reason") == codes.DRAIN_WAITS.reason:
        told = scheduled.get("message", "")
        return found.model_copy(update={"outcome": "Stays", "message": told})
    return found.model_copy(update={"outcome": "Waits", "message": ready.get("message", "")})


def _condition(workload: Raw | None, kind: str) -> Mapping[str, str]:
    conditions = ((workload or {}).get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})
