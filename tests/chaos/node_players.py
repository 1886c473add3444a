"""Nodes whose agents are played: by real tokens, with a ledger, and without any VM.

They do what every agent does to the objects: admit what fits, refuse what does not, run,
end what is stopped or deleted, release the finalizer.
"""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lives import ViolationError

from schedune.api.vmplacement import FINALIZER
from schedune_kube.client import KubeClient
from schedune_kube.connections import Connections
from schedune_kube.errors import ApiError
from schedune_kube.reflector import Key, Reflector
from schedune_kube.resources import LEASES, NODETRUTHS, VMPLACEMENTS
from schedune_testing.accounts import Object, bearing, ensure, owned_truth, token_of
from schedune_testing.agents import DIGEST, LEASES_OF_NODES, make_usable
from schedune_testing.control_plane import ControlPlane
from schedune_testing.nodes import facts

VCPUS = 16
MEMORY = "64Gi"
_HEARTBEAT_S = 10
_LEASE_S = 90
_SLOWEST_S = 0.4


@dataclass
class Player:
    """The agent of one node."""

    name: str
    client: KubeClient
    status: Object
    running: dict[str, Object] = field(default_factory=dict)
    """Placements that it admitted and that have not ended, by UID."""

    async def publish(self) -> None:
        """Write the truth once, then renew the Lease for ever."""
        await self.say(self.status)
        while True:
            await self._beat()
            await asyncio.sleep(_HEARTBEAT_S)

    async def say(self, status: Object) -> None:
        """Publish other facts, and vouch for them by the next heartbeat.

        Raises:
            ApiError: they are not stored; the heartbeat vouches for them all the same.
        """
        self.status = status
        truth = {"apiVersion": "schedune.io/v1alpha1", "kind": "NodeTruth"}
        body = {**truth, "metadata": {"name": self.name}, "status": self.status}
        await self.client.apply(NODETRUTHS, self.name, body, subresource="status")
        await self._beat()

    async def _beat(self) -> None:
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "annotations": {DIGEST: self.status["digest"]}},
            "spec": {
                "holderIdentity": "m",
                "leaseDurationSeconds": _LEASE_S,
                "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }
        with suppress(ApiError):
            await self.client.apply(LEASES, self.name, lease, LEASES_OF_NODES)

    def fits(self, raw: Object) -> bool:
        """Ask the ledger."""
        held = sum(one["spec"]["claim"]["vcpus"] for one in self.running.values())
        return bool(held + raw["spec"]["claim"]["vcpus"] <= VCPUS)


class Players:
    """All nodes."""

    def __init__(self, admin: KubeClient, chance: random.Random) -> None:
        self.by_name: dict[str, Player] = {}
        self.refused = 0
        self.launched = 0
        self._chance = chance
        self._kernel = {**facts("n")["artifacts"][0], "name": "linux"}
        self._acting: dict[Key, asyncio.Task[None]] = {}
        self.violations: list[str] = []
        self.mirror = Reflector(admin, VMPLACEMENTS, on_change=self._on_change)

    async def bring_in(
        self, plane: ControlPlane, admin: KubeClient, stack: AsyncExitStack, count: int
    ) -> None:
        """Make the nodes, their tokens and their clients."""
        shared = None
        for number in range(count):
            name = f"player-{number:02}"
            credentials = bearing(plane, await token_of(admin, name))
            node = await make_usable(admin, name)
            shared = shared or await stack.enter_async_context(Connections(credentials))
            client = await stack.enter_async_context(
                KubeClient(credentials, field_manager="schedune-agent", shared=shared)
            )
            uid = node["metadata"]["uid"]
            identity = {**facts(name)["identity"], "nodeUID": uid}
            capacity = {"vcpus": VCPUS, "memory": MEMORY, "basis": "Declared"}
            status = facts(name, artifacts=[self._kernel], identity=identity, capacity=capacity)
            await ensure(client, NODETRUTHS, owned_truth(name, uid))
            self.by_name[name] = Player(name, client, status)

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.mirror.run())
            group.create_task(self._look_again())
            for player in self.by_name.values():
                group.create_task(player.publish())

    async def publish_kernel(self, *, is_there: bool) -> None:
        """Let all nodes say that they have the kernel, or that they have none; until stored."""

        async def say(player: Player) -> None:
            status = {**player.status, "artifacts": [self._kernel] if is_there else []}
            status["digest"] = f"sha256:{'with' if is_there else 'without'}-kernel"
            while True:
                try:
                    await player.say(status)
                except ApiError:
                    await asyncio.sleep(_SLOWEST_S)
                else:
                    return

        await asyncio.gather(*(say(one) for one in self.by_name.values()))

    async def _look_again(self) -> None:
        """Go on with what an outage interrupted."""
        while True:
            await asyncio.sleep(2)
            for key, raw in list(self.mirror.store.items()):
                self._on_change(key, raw)

    def _on_change(self, key: Key, raw: Object | None) -> None:
        if raw is None or key in self._acting:
            return
        task = asyncio.create_task(self._act(key))
        self._acting[key] = task
        task.add_done_callback(lambda _: self._acting.pop(key, None))

    async def _act(self, key: Key) -> None:
        """Take one placement as far as it goes; errors are left to the next look."""
        before = ""
        while (raw := self.mirror.store.get(key)) is not None:
            version = raw["metadata"]["resourceVersion"]
            if version == before or raw["spec"]["nodeName"] not in self.by_name:
                return
            before = version
            await asyncio.sleep(self._chance.uniform(0, _SLOWEST_S))
            with suppress(ApiError):
                await self._step(self.by_name[raw["spec"]["nodeName"]], raw)

    async def _step(self, player: Player, raw: Object) -> None:
        metadata, status = raw["metadata"], raw.get("status") or {}
        is_deleted = bool(metadata.get("deletionTimestamp"))
        if status.get("ended"):
            player.running.pop(metadata["uid"], None)
            if is_deleted and FINALIZER in metadata.get("finalizers", []):
                await self._patch(player, raw, {"metadata": {"finalizers": []}}, None)
        elif is_deleted or raw["spec"].get("stop"):
            reason = (raw["spec"].get("stop") or {}).get("reason", "HostStopped")
            await self._end(player, raw, {"state": "Terminated"}, reason)
        elif not status.get("state"):
            await self._admit(player, raw)

    async def _admit(self, player: Player, raw: Object) -> None:
        if not player.fits(raw):
            self.refused += 1
            code = {"code": "REFUSED_LEDGER_FULL", "observed": "full", "required": "less"}
            await self._end(player, raw, {"state": "Terminated", "refusal": code}, "LedgerFull")
            return
        workload, uid = raw["spec"]["workload"]["uid"], raw["metadata"]["uid"]
        for other in self.by_name.values():
            for one in other.running.values():
                if one["spec"]["workload"]["uid"] == workload and one["metadata"]["uid"] != uid:
                    told = f"two placements of workload {workload}: {uid} and "
                    self.violations.append(told + one["metadata"]["uid"])
        player.running[uid] = raw
        self.launched += 1
        await self._patch(player, raw, {"status": {"state": "Running"}}, "status")

    async def _end(self, player: Player, raw: Object, status: Object, reason: str) -> None:
        ended = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "reason": reason}
        await self._patch(player, raw, {"status": {**status, "ended": ended}}, "status")

    async def _patch(self, player: Player, raw: Object, patch: Any, part: str | None) -> None:
        metadata = raw["metadata"]
        known = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        patch["metadata"] = {**patch.get("metadata", {}), **known}
        name, namespace = metadata["name"], metadata["namespace"]
        stored = await player.client.merge_patch(
            VMPLACEMENTS, name, patch, namespace, subresource=part
        )
        if stored["metadata"]["uid"] == metadata["uid"]:
            self.mirror.absorb(stored)

    def check(self) -> None:
        """Raise the first violation.

        Raises:
            ViolationError: there is one.
        """
        if self.violations:
            raise ViolationError(self.violations[0])
