"""The objects of a fleet, sorted: what every command reads, from files or from a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from schedune_cli.problems import Place, Problem
from schedune_cli.reading.objects import Item, Key, Objects, unique
from schedune_cli.recording.kubernetes import LEASE_NAMESPACE

K = TypeVar("K")


@dataclass(slots=True)
class Recording:
    """A fleet as it was seen once."""

    nodes: dict[str, Item] = field(default_factory=dict)
    truths: dict[str, Item] = field(default_factory=dict)
    leases: dict[str, Item] = field(default_factory=dict)
    """Of the agents only: kubelets have Leases of the same names elsewhere."""
    namespaces: dict[str, Item] = field(default_factory=dict)
    """Whose UIDs tell whose Persistent disks are whose; some limit their VMs."""
    placements: dict[Key, Item] = field(default_factory=dict)
    workloads: dict[Key, Item] = field(default_factory=dict)
    recorded: datetime | None = None
    """When a snapshot was taken; None: these are single objects, from any time."""

    @property
    def is_whole(self) -> bool:
        """Whether it is a snapshot, in which a Node that is not there does not exist."""
        return self.recorded is not None


def recording_of(
    items: Iterable[Item], recorded: datetime | None
) -> tuple[Recording, list[Problem]]:
    """Sort the objects of a fleet; of two of one name the first counts."""
    found, problems = unique(items)
    held = Recording(recorded=recorded)
    for (kind, key), item in found.items():
        _, name = key
        match kind:
            case "Node":
                held.nodes[name] = item
            case "NodeTruth":
                held.truths[name] = item
            case "Lease" if key[0] == LEASE_NAMESPACE:
                held.leases[name] = item
            case "Namespace":
                held.namespaces[name] = item
            case "VMPlacement":
                held.placements[key] = item
            case "VMWorkload":
                held.workloads[key] = item
            case _:
                continue
    return held, problems


def read_recording(objects: Objects) -> tuple[Recording, list[Problem]]:
    """Sort what files hold; several snapshots are no one fleet."""
    problems: list[Problem] = []
    times = []
    for place, text in objects.recorded:
        moment = read_moment(text)
        if moment is None:
            told, remedy = "is no time with a zone", "write it like 2026-11-24T09:00:00Z"
            problems.append(Problem(place, "recordedTime", text, told, remedy))
        else:
            times.append((moment, place))
    for _, place in times[1:]:
        told, remedy = "is a second snapshot", "give one, or compare two: explain --at A --diff B"
        problems.append(Problem(place, "", "", told, remedy))
    recording, twice = recording_of(objects.items, times[0][0] if times else None)
    if not (recording.nodes or recording.truths or objects.problems):
        where = objects.items[0].place if objects.items else Place("--truth")
        told, remedy = "holds no NodeTruth and no Node", "give recorded NodeTruths or a snapshot"
        problems.append(Problem(Place(where.file), "", "", told, remedy))
    return recording, [*problems, *twice]


def read_moment(text: str) -> datetime | None:
    """Return the time that a text says; None: it says none, or not in which zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
