"""Two operators under load, and what happens to them: killed, stopped, cut off, refused."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from lives import ViolationError
from node_players import VCPUS, Players
from operator_pair import Line, OperatorProcess
from server_faults import count_conflicts, forget_history, restart_server, restart_store
from settled import IMPOSSIBLE, NAMESPACE, held_on, problems

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import VMWORKLOADS, Resource
from schedune_testing.accounts import Object
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload

_AT_ONCE = 24
_SETTLES_S = 120.0
_FLAPS = 3
_STORM_S = 3.0
_FLOWCONTROL = "flowcontrol.apiserver.k8s.io"
_FLOWS = Resource(_FLOWCONTROL, "v1", "flowschemas", "FlowSchema", namespaced=False)
_LEVEL = "PriorityLevelConfiguration"
_LEVELS = Resource(_FLOWCONTROL, "v1", f"{_LEVEL.lower()}s", _LEVEL, namespaced=False)
_REFUSAL = "schedune-chaos"


@dataclass
class Play:
    """One run: its actors, its chance, and what it did."""

    plane: ControlPlane
    admin: KubeClient
    line: Line
    operators: list[OperatorProcess]
    players: Players
    chance: random.Random
    most: int
    """Workloads that exist at once, apart from the mass deletion."""
    faults: Counter[str] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)
    made: int = 0
    deleted: int = 0
    overfull: int = 0
    """Tenths of a second in which a node held too much: ledgers and the auditor end that."""
    conflicts: int = 0
    """How often the server answered 409 in storms."""
    _names: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def tell(self, what: str) -> None:
        """Remember what happened, for who reads of a violation."""
        self.history.append(f"{time.monotonic() - self._began:7.2f} s  {what}")

    # --- load ------------------------------------------------------------------------

    async def load(self) -> None:
        """Make, change and delete workloads for ever."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.0, 0.12))
            with suppress(ApiError):
                await self._one()

    async def _one(self) -> None:
        roll = self.chance.random()
        if len(self._names) < self.most and roll < 0.6:
            await self._make(f"load-{self.made}")
        elif self._names and roll < 0.8:
            name = self._names.pop(self.chance.randrange(len(self._names)))
            await self.admin.delete(VMWORKLOADS, name, NAMESPACE)
            self.deleted += 1
        elif self._names:
            await self._touch(self.chance.choice(self._names))

    async def _touch(self, name: str) -> None:
        """Make a version that whoever is about to write a status does not know yet."""
        label = {"metadata": {"labels": {"touched": str(self.chance.randrange(10**6))}}}
        await self.admin.merge_patch(VMWORKLOADS, name, label, NAMESPACE)

    async def _make(self, name: str) -> None:
        self.made += 1
        self._names.append(name)
        await self.admin.create(VMWORKLOADS, self._workload(name), NAMESPACE)

    def _workload(self, name: str) -> Object:
        body = minimal_workload(name)
        vcpus = self.chance.choice([1, 1, 2, 2, 3, 4, 6])
        body["spec"]["resources"] = {"vcpus": vcpus, "memory": "256Mi"}
        if self.chance.random() < 0.1:
            body["metadata"]["labels"] = {IMPOSSIBLE: "true"}
            body["spec"]["resources"]["vcpus"] = 200
        return body

    async def delete_while_placing(self, count: int) -> None:
        """Make many at once, and delete them all while they are being placed."""
        self.tell(f"{count} workloads are made and deleted at once")
        self.faults[f"{count} workloads deleted while placing"] += 1
        turns, names = asyncio.Semaphore(_AT_ONCE), [f"mass-{n}" for n in range(count)]

        async def make(name: str) -> None:
            async with turns:
                with suppress(ApiError):
                    await self.admin.create(VMWORKLOADS, self._workload(name), NAMESPACE)

        async def unmake(name: str) -> None:
            for _ in range(20):
                async with turns:
                    try:
                        await self.admin.delete(VMWORKLOADS, name, NAMESPACE)
                    except ApiError as error:
                        if "404" in str(error):
                            return
                await asyncio.sleep(0.5)

        await asyncio.gather(*(make(name) for name in names))
        await asyncio.gather(*(unmake(name) for name in names))
        self.made += count
        self.deleted += count

    # --- faults ----------------------------------------------------------------------

    async def strike(self) -> None:
        """Let one thing happen."""
        options: list[tuple[int, str, Callable[[], Awaitable[None]]]] = [
            (4, "SIGKILL", self._kill),
            (4, "SIGSTOP and SIGCONT", self._freeze),
            (1, "SIGTERM", self._leave),
            (3, "connections cut", self._cut),
            (1, "API server restarted", self._to_server(restart_server)),
            (1, "etcd restarted", self._to_server(restart_store)),
            (1, "history forgotten (410)", self._to_server(forget_history)),
            (1, "429 for a while", self._refuse),
            (1, "a fact of all nodes flaps", self._flap),
            (2, "all workloads changed at once (409)", self._storm),
        ]
        weights = [one[0] for one in options]
        _, name, act = self.chance.choices(options, weights)[0]
        self.faults[name] += 1
        self.tell(name)
        await act()

    def _victim(self) -> OperatorProcess:
        return self.chance.choice(self.operators)

    async def _kill(self) -> None:
        victim = self._victim()
        await asyncio.to_thread(victim.kill)
        await asyncio.sleep(self.chance.choice([0, 0, 0.5, 6]))
        victim.start()

    async def _leave(self) -> None:
        victim = self._victim()
        await asyncio.to_thread(victim.leave)
        victim.start()

    async def _freeze(self) -> None:
        """Stop one for less or for more than its term of office lasts."""
        victim = self._victim()
        victim.stop()
        await asyncio.sleep(self.chance.choice([0.2, 1.0, 3.0, 8.0]))
        victim.wake()

    async def _cut(self) -> None:
        self.tell(f"{self.line.cut()} connections were cut")

    def _to_server(self, act: Callable[[ControlPlane], None]) -> Callable[[], Awaitable[None]]:
        return lambda: asyncio.to_thread(act, self.plane)

    async def _flap(self) -> None:
        """Let the kernel that all ask for be gone from every node, and be back, again and again."""
        for is_there in (False, True) * _FLAPS:
            await self.players.publish_kernel(is_there=is_there)
            await asyncio.sleep(self.chance.uniform(0.1, 1.0))

    async def _storm(self) -> None:
        """Change every workload again and again, so that statuses are written in vain."""
        before, until = await self._conflicts(), time.monotonic() + _STORM_S
        while time.monotonic() < until:
            touched = [self._touch(name) for name in self._names]
            await asyncio.gather(*touched, asyncio.sleep(0.05), return_exceptions=True)
        self.conflicts += await self._conflicts() - before

    async def _conflicts(self) -> int:
        return await asyncio.to_thread(count_conflicts, self.plane)

    async def _refuse(self) -> None:
        """Let the server answer 429 to the operators, but for their Lease."""
        with suppress(ApiError):
            await self.admin.create(_LEVELS, _level())
            await self.admin.create(_FLOWS, _flow())
        await asyncio.sleep(3)
        await self.end_refusal()

    async def end_refusal(self) -> None:
        """Let the server answer again."""
        for resource in (_FLOWS, _LEVELS):
            with suppress(ApiError):
                await self.admin.delete(resource, _REFUSAL)

    # --- what must hold --------------------------------------------------------------

    def check_alive(self) -> None:
        """Hold that no operator ended by itself, and no agent saw two placements.

        Raises:
            ViolationError: one of these does not hold.
        """
        self.players.check()
        for one in self.operators:
            if (told := one.ended()) != "":
                raise ViolationError(told)

    async def come_to_rest(self) -> int:
        """Heal everything and wait until all holds; return how many workloads there are.

        Raises:
            ViolationError: it does not in time.
        """
        await self.end_refusal()
        deadline, names = time.monotonic() + _SETTLES_S, list(self.players.by_name)
        while True:
            self.check_alive()
            wrong = await problems(self.admin, names)
            if not wrong:
                return len((await self.admin.list(VMWORKLOADS, NAMESPACE))[0])
            if time.monotonic() > deadline:
                raise ViolationError(f"{len(wrong)} after {_SETTLES_S:.0f} s: {wrong[:8]}")
            await asyncio.sleep(1)

    async def count_overfull(self) -> None:
        """Look at the nodes for ever, as the players' mirror has them."""
        while True:
            await asyncio.sleep(0.1)
            held = held_on(list(self.players.mirror.store.values()))
            self.overfull += any(vcpus > VCPUS for vcpus in held.values())


def _level() -> Object:
    """Return a priority level in which nothing gets a seat."""
    limited = {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}}
    limited["lendablePercent"] = 0
    limited["borrowingLimitPercent"] = 0
    return {
        "apiVersion": f"{_FLOWCONTROL}/v1",
        "kind": _LEVEL,
        "metadata": {"name": _REFUSAL},
        "spec": {"type": "Limited", "limited": limited},
    }


def _flow() -> Object:
    account = {"name": "schedune-operator", "namespace": "schedune-system"}
    rule = {
        "apiGroups": ["schedune.io"],
        "resources": ["*"],
        "verbs": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    subject = {"kind": "ServiceAccount", "serviceAccount": account}
    return {
        "apiVersion": f"{_FLOWCONTROL}/v1",
        "kind": "FlowSchema",
        "metadata": {"name": _REFUSAL},
        "spec": {
            "priorityLevelConfiguration": {"name": _REFUSAL},
            "matchingPrecedence": 10,
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        },
    }
