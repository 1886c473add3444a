"""What a command was given: workloads from files or a cluster, the fleet, the time, the policy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune_cli.problems import BadInputError, Place, Problem, unknown_name
from schedune_cli.reading.documents import read_objects
from schedune_cli.reading.objects import Item, Objects, unique
from schedune_cli.reading.policy import read_policy
from schedune_cli.reading.sources import read_sources, standard_input
from schedune_cli.reading.workloads import Given, read_given
from schedune_cli.recording.recording import Recording, read_recording
from schedune_cli.recording.world import World, read_world

WORKLOAD: Final = "VMWorkload"
_DEFAULT_NAMESPACE: Final = "default"
_NOT_JUDGED: Final = frozenset({"NodeTruth", "VMPlacement"})
_PREFIXES: Final = frozenset({"vmw", "vmworkload", "vmworkloads", "vmworkloads.schedune.io"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that most commands share."""

    files: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()
    now: datetime | None = None
    policy: Path | None = None
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False

    @property
    def is_online(self) -> bool:
        """Whether a cluster is asked: where no recorded fleet is given."""
        return not self.truth


@dataclass(slots=True)
class Taken:
    """The workloads that are to be judged, and what came with them."""

    workloads: list[Given] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was passed over, and may surprise."""


@dataclass(slots=True)
class Inputs:
    """Everything that was read, and what of it could not be."""

    world: World
    workloads: list[Given]
    now: datetime
    policy: SchedulingPolicy
    problems: list[Problem]
    notes: list[str]


def read_inputs(asked: Asked, clock: Callable[[], datetime], names: Sequence[str] = ()) -> Inputs:
    """Read all that a command asks for.

    Raises:
        BadInputError: without a policy, a fleet or a time nothing can be judged.
    """
    policy = read_policy(asked.policy)
    given = _read_files(asked.files)
    try:
        world, problems = _read_fleet(asked, clock)
        now = moment_of(asked, world, problems)
    except BadInputError as error:
        # What is wrong with the manifests is said too: one round of corrections is enough.
        raise BadInputError(
            [*_take_files(given, asked, World()).problems, *error.problems]
        ) from error
    taken = _take_files(given, asked, world) if asked.files else _take_recorded(asked, world)
    _select(names, taken)
    inputs = Inputs(world, taken.workloads, now, policy, [*taken.problems, *problems], taken.notes)
    # What a cluster holds is nobody's input: its operator says the same and goes on.
    if asked.is_online:
        inputs.notes = [*inputs.notes, *map(str, world.problems)]
    else:
        inputs.problems += world.problems
    return inputs


def moment_of(asked: Asked, world: World, problems: Sequence[Problem]) -> datetime:
    """Return the time for which is asked; where nobody says, that of the recording.

    Raises:
        BadInputError: nothing tells a time.
    """
    moment = asked.now or world.time
    if moment is None:
        raise BadInputError([_TIMELESS, *problems, *world.problems])
    return moment


_TIMELESS: Final = Problem(
    Place("--truth"),
    "",
    "",
    "nothing tells when these facts were recorded",
    "say for which time you ask: --now 2026-11-24T09:00:00Z",
)


def read_world_of(asked: Asked, clock: Callable[[], datetime]) -> tuple[Recording, list[Problem]]:
    """Return the objects of the fleet that is asked about."""
    if asked.is_online:
        # Loaded here: it takes half of the time of a call that needs none of it.
        from schedune_cli.recording.cluster import read_cluster

        return read_cluster(asked.kubeconfig, asked.context, clock()), []
    objects = _read_files(asked.truth)
    recording, problems = read_recording(objects)
    return recording, [*objects.problems, *problems]


def _read_fleet(asked: Asked, clock: Callable[[], datetime]) -> tuple[World, list[Problem]]:
    recording, problems = read_world_of(asked, clock)
    world = read_world(recording)
    if not world.records and (problems or world.problems):
        raise BadInputError([*problems, *world.problems])
    return world, problems


def _read_files(paths: Sequence[str]) -> Objects:
    sources, problems = read_sources(paths, standard_input())
    objects = read_objects(sources)
    objects.problems += problems
    return objects


def _take_files(given: Objects, asked: Asked, world: World) -> Taken:
    """Read the workloads of the files; of ours, what is no workload is said to be passed over."""
    items = [one for one in given.items if one.kind == WORKLOAD]
    namespace = asked.namespace or _usual_namespace(asked)
    found, twice = unique(_with_namespace(items, namespace))
    taken = _take(found.values(), namespace, world)
    taken.problems += [*given.problems, *twice]
    others = [one for one in given.items if one.kind in _NOT_JUDGED]
    if others:
        first = min(others, key=lambda one: one.place)
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        told = f"{first.place}: {first.kind} {first.key[1]}{more}: not judged, being no VMWorkload"
        taken.notes.append(f"{told}; facts of nodes are given with --truth")
    if not items and not given.problems:
        taken.notes.append(f"no VMWorkload among {len(given.items) + given.foreign} objects")
    return taken


def _usual_namespace(asked: Asked) -> str:
    """Return the namespace that is meant where none is said: that of the context, as in kubectl."""
    if not asked.is_online:
        return _DEFAULT_NAMESPACE
    from schedune_cli.recording.cluster import namespace_of

    return namespace_of(asked.kubeconfig, asked.context)


def _with_namespace(items: Iterable[Item], namespace: str) -> list[Item]:
    """Complete names, so that two objects of one name are seen to be two."""
    return [item if item.key[0] else item.in_namespace(namespace) for item in items]


def _take_recorded(asked: Asked, world: World) -> Taken:
    """Take the workloads that the fleet was recorded with, or those of the cluster."""
    wanted = asked.namespace
    if asked.is_online and wanted is None:
        wanted = _usual_namespace(asked)
    items = [
        item
        for (namespace, _), item in world.workloads.items()
        if asked.all_namespaces or wanted is None or namespace == wanted
    ]
    taken = _take(items, _DEFAULT_NAMESPACE, world)
    if not items:
        where = f" in namespace {wanted}" if wanted and not asked.all_namespaces else ""
        taken.notes.append(f"there is no VMWorkload{where}: give one with -f, or another -n")
    return taken


def _take(items: Iterable[Item], namespace: str, world: World) -> Taken:
    taken = Taken()
    for item in items:
        held = world.held((item.key[0] or namespace, item.key[1]))
        found = read_given(item, namespace, held.status, held.uid, held.namespace_uid)
        if isinstance(found, Given):
            taken.workloads.append(found)
        else:
            taken.problems += found
    return taken


def _select(names: Sequence[str], taken: Taken) -> None:
    """Keep the workloads that were named; one that is not there is bad input."""
    if not names:
        return
    wanted = [bare_name(name) for name in names]
    known = sorted({one.intent.name for one in taken.workloads})
    missed = [name for name in dict.fromkeys(wanted) if name not in known]
    taken.problems += [unknown_name("WORKLOAD", WORKLOAD, name, known) for name in missed]
    taken.workloads = [one for one in taken.workloads if one.intent.name in wanted]


def bare_name(name: str) -> str:
    """Return the name in ``vmw/NAME``."""
    head, slash, tail = name.partition("/")
    return tail if slash and head in _PREFIXES else name
