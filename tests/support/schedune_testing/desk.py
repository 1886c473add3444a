"""The operator's desk without an API server: what it writes is kept, and agents obey by hand.

Everything that decides is real; only the client is one that holds objects in memory.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.fleet.quota import Quota
from schedune_kube.errors import ApiError, ConflictError
from schedune_operator.agenda import Agenda
from schedune_operator.cache import WorkloadCache
from schedune_operator.draining import Drains
from schedune_operator.fencing import Fencing
from schedune_operator.holds import Holds
from schedune_operator.reconciler import Reconciler
from schedune_operator.world import World
from schedune_testing.nodes import NOW, facts, node, workload

HOSTNAME = "kubernetes.io/hostname"
ENDED = {"ended": {"time": "2026-11-24T12:00:00Z", "reason": "GuestPoweredOff"}}
_START_S = 1000.0
_ENOUGH = 200
"""Looks after which a desk that is not at rest never will be."""


class MemoryClient:
    """Holds what is written, as the API server would."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._version = 100
        self.stops_conflict = False
        """Somebody else writes placements just before we do."""
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """What happens while an answer about a namespace is awaited."""

    def next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def server_time(self) -> datetime:
        return NOW

    def server_clock_offset(self, _now: datetime) -> float:
        return 0.0

    async def get(self, _resource: Any, name: str, *_where: Any, **_how: Any) -> Any:
        if self.meanwhile is not None:
            await self.meanwhile()
        return {"metadata": {"uid": "namespace-uid", "name": name}}

    async def create(self, _resource: Any, body: Any, _namespace: str) -> Any:
        version = self.next_version()
        stamps = {"uid": f"p{version}", "resourceVersion": version, "generation": 1}
        created = {"creationTimestamp": "2026-11-24T12:00:00Z"}
        return {**body, "metadata": {**body["metadata"], **stamps, **created}}

    async def merge_patch(
        self, resource: Any, name: str, patch: Any, namespace: str, subresource: str | None = None
    ) -> Any:
        key = (namespace, name)
        if resource.plural == "vmplacements":
            if self.stops_conflict:
                raise ConflictError("it was changed meanwhile")
            return self._desk.changes(key, spec=patch["spec"])
        assert subresource == "status"
        raw = self._desk.cache.workloads[key]
        metadata = {**raw["metadata"], "resourceVersion": self.next_version()}
        return {**raw, "metadata": metadata, "status": _without_nulls(patch["status"])}

    async def delete(self, _resource: Any, name: str, namespace: str, **_how: Any) -> None:
        self._desk.deleted.add((namespace, name))


class _Quiet:
    async def record(self, *_event: Any) -> None: ...


class Desk:
    """A world, and a reconciler that looks at it for as long as there is something to do."""

    def __init__(self) -> None:
        self.deleted = set[tuple[str, str]]()
        """Placements that are gone once their agent lets go of them."""
        self._moment = _START_S
        self._generation = 0
        self.client: Any = MemoryClient(self)
        self.cache = WorkloadCache()
        self.world = World(
            self.client, lambda: None, self.cache.peer_of, self.now, lambda: self._moment
        )
        self.world.heartbeats.is_silent = lambda _name: False  # type: ignore[method-assign]
        self.agenda = Agenda(self.world, self.cache, DEFAULT_POLICY, lambda: self._moment)
        self.holds = Holds(self.world, DEFAULT_POLICY, self.now)
        self.drains = Drains(self.world, self.holds, 4)
        self.world.on_freed = self.holds.take_over
        self.world.on_placement = self.agenda.note
        self.world.on_node = self.agenda.note_node
        self.cache.on_note = self._note_workload
        quiet: Any = _Quiet()
        self.reconciler = Reconciler(
            self.client,
            self.world,
            quiet,
            self.now,
            lambda: 1,
            self.cache.absorb,
            DEFAULT_POLICY,
            self.agenda,
            Fencing(self.world, lambda: self._moment),
            self.drains,
        )

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self._moment - _START_S)

    def _note_workload(self, key: tuple[str, str]) -> None:
        self.world.note_placement(key)
        self.agenda.note(key)

    # --- what happens in the cluster -------------------------------------------------

    def has_node(self, name: str, scheduling: str = "Enabled", **changes: Any) -> None:
        """Bring in a node, or order something about it."""
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        labels = {HOSTNAME: name, **changes.pop("labels", {})}
        raw = {"metadata": {**metadata, "labels": labels}, "spec": {}, "status": ready}
        self.world.nodes.store["", name] = raw
        told = {"metadata": {**metadata, "resourceVersion": self.client.next_version()}}
        truth = node(name, facts(name, **changes), scheduling=scheduling).truth
        spec = {"scheduling": scheduling}
        self.world.truths.store["", name] = {
            **told, "spec": spec, "status": {}, "read": truth, "written": self.now()
        }  # fmt: skip
        self.world._note_node(("", name), raw)

    def allows(self, namespace: str, quota: Quota) -> None:
        self.world.namespaces.quotas = {namespace: quota}

    def apply(
        self, name: str, labels: Mapping[str, str] | None = None, uid: str = "", **spec: Any
    ) -> None:
        """Do as ``kubectl apply`` does."""
        self._generation += 1
        body, held = workload(**spec), self.cache.workloads.get(("default", name), {})
        body["metadata"] |= {
            "name": name,
            "uid": uid or f"uid-{name}",
            "generation": self._generation,
            "resourceVersion": self.client.next_version(),
            "labels": dict(labels or {}),
            "creationTimestamp": "2026-11-24T11:00:00Z",
        }
        if "status" in held:
            body["status"] = held["status"]
        self.cache.note("MODIFIED", body)

    def delete(self, name: str) -> None:
        """Delete a workload: its placement goes when its agent lets go of it."""
        self.cache.note("DELETED", self.cache.workloads["default", name])

    def changes(self, key: tuple[str, str], **parts: Mapping[str, Any]) -> Any:
        """Change a placement as the API server would, and as the watch brings it."""
        raw = self.world.placements.store[key]
        metadata = {**raw["metadata"], "resourceVersion": self.client.next_version()}
        merged = {name: {**raw.get(name, {}), **part} for name, part in parts.items()}
        self.world.placements._keep(key, {**raw, "metadata": metadata, **merged})
        return self.world.placements.store[key]

    def agents_say(self, *names: str, **status: Any) -> None:
        for name in names:
            self.changes(("default", name), status=status)

    async def agents_end(self, *names: str) -> None:
        """Let these VMs end, be remembered, and their placements go."""
        self.agents_say(*names, state="Exited", **ENDED)
        await self.rests()
        for name in names:
            assert ("default", name) in self.deleted
            self.deleted.discard(("default", name))
            self.world.placements._forget(("default", name))
        await self.rests()

    async def runs(self, *names: str) -> None:
        """Let workloads be placed, and their VMs run."""
        await self.rests()
        self.agents_say(*names, state="Running")
        await self.rests()

    async def rests(self) -> None:
        """Look at whoever is to be looked at until there is nobody."""
        for _ in range(_ENOUGH):
            self.agenda.turn(self.now())
            key = self.agenda.pop()
            if key is None:
                return
            began = self.agenda.begin(key)
            try:
                await self.reconciler.reconcile(key, self.cache.workloads.get(key))
            except ApiError:
                self.agenda.fail(key)
            else:
                self.agenda.end(key, began)
        raise AssertionError("there is always somebody to be looked at")

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self._moment += seconds

    def looks_again(self, *names: str) -> None:
        """Have somebody looked at without any cause, as happens now and then."""
        self.agenda.force([("default", name) for name in names])

    # --- what came of it -------------------------------------------------------------

    def where(self) -> dict[str, str]:
        """Return where VMs are placed."""
        store = self.world.placements.store
        return {name: raw["spec"]["nodeName"] for (_, name), raw in store.items()}

    def stops(self) -> dict[str, str]:
        """Return who was told to end, and why."""
        told = {
            name: raw["spec"].get("stop") for (_, name), raw in self.world.placements.store.items()
        }
        return {name: stop["reason"] for name, stop in told.items() if stop}

    def held(self) -> set[str]:
        """Return for whom something is held."""
        return {name for _, name in self.holds}

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """Return what a condition says, and why."""
        conditions = self.cache.workloads["default", name]["status"]["conditions"]
        (found,) = [one for one in conditions if one["type"] == kind]
        return found["reason"], found["message"]


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(one) for key, one in value.items() if one is not None}
