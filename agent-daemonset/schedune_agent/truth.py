"""Publish the truth: facts when they changed, a heartbeat that vouches for them always.

A Lease never vouches for facts that the API server does not hold: it repeats the
digest that was last written there.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from schedune.api.base import API_VERSION, Condition
from schedune.api.nodetruth import (
    DeclaredCapacity,
    LiveVM,
    NodeCapacity,
    NodeTruth,
    NodeTruthStatus,
    Orphan,
)
from schedune_agent.facts import FactSource, agent_conditions, digest_facts, why_lines
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes.memory import free_pages
from schedune_agent.settings import AgentSettings
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import AlreadyExistsError, ApiError, NotFoundError
from schedune_kube.resources import LEASES, NODETRUTHS
from schedune_kube.times import render_micro_time

LEASE_NAMESPACE: Final = "schedune-node-lease"
DIGEST_ANNOTATION: Final = "schedune.io/truth-digest"
_LOG: Final = logging.getLogger(__name__)


class TruthPublisher:
    """Keeps the node's NodeTruth and Lease true."""

    def __init__(
        self,
        client: KubeClient,
        settings: AgentSettings,
        identity: NodeIdentity,
        source: FactSource,
        *,
        live_vms: Callable[[], Sequence[LiveVM]],
        orphans: Callable[[], Sequence[Orphan]],
        clock: Callable[[], datetime],
    ) -> None:
        self.facts: NodeTruthStatus | None = None
        """The latest facts; None until the first round is through."""
        self.known = asyncio.Event()
        self._client = client
        self._settings = settings
        self._identity = identity
        self._source = source
        self._live_vms = live_vms
        self._orphans = orphans
        self._clock = clock
        self._taken: NodeTruthStatus | None = None
        self._one_at_a_time = asyncio.Lock()
        self._held_digest = ""
        self._held_body: Raw = {}
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """Publish soon: live VMs changed."""
        self._wake.set()

    async def withdraw(self, placement_uid: str) -> None:
        """Return once the API server holds a truth that names no such VM as live.

        Raises:
            ApiError: it may still hold one that does.
        """
        live = self._held_body.get("status", {}).get("liveVMs", [])
        if not self._held_body or any(one["placementUID"] == placement_uid for one in live):
            await self._publish(self._taken or await self._source.take_facts())

    async def run(self) -> None:
        """Probe, publish and renew, each in its own rhythm, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_for_ever())
            group.create_task(self._renew_for_ever())

    async def _probe_for_ever(self) -> None:
        while True:
            self._wake.clear()
            facts = self._taken = await self._source.take_facts()
            try:
                self.facts = await self._publish(facts)
            except ApiError as error:
                self.facts = self.facts or facts
                _LOG.warning("truth.not-published", extra={"error": str(error)})
            self.known.set()
            try:
                async with asyncio.timeout(_jitter(self._settings.probe_period_seconds)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _publish(self, facts: NodeTruthStatus) -> NodeTruthStatus:
        async with self._one_at_a_time:
            return await self._write(facts)

    async def _write(self, facts: NodeTruthStatus) -> NodeTruthStatus:
        """Write the facts if the API server does not hold them already."""
        held = await self._held()
        declared = held.spec.capacity
        if declared is not None:
            facts = facts.model_copy(update={"capacity": _declared(declared, facts)})
        live = list(self._live_vms())
        digest = digest_facts(facts)
        body = self._body(facts, digest, live, held)
        if held.status.digest != digest or _without_times(body) != _without_times(self._held_body):
            # Whether a write that fails arrived is not known: until the next, nothing is held.
            self._held_body = {}
            await self._client.apply(NODETRUTHS, self._identity.name, body, subresource="status")
            _LOG.info("truth.published", extra={"digest": digest})
        vouched = self._held_digest == digest
        self._held_digest, self._held_body = digest, body
        if not vouched:
            await self._renew()
        return facts

    async def _held(self) -> NodeTruth:
        """Return the object; make it where it is missing."""
        name = self._identity.name
        try:
            raw = await self._client.get(NODETRUTHS, name)
        except NotFoundError:
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._identity.uid}
            body = {
                "apiVersion": API_VERSION,
                "kind": "NodeTruth",
                "metadata": {"name": name, "ownerReferences": [owner]},
            }
            raw = await self._client.create(NODETRUTHS, body)
        return NodeTruth.model_validate(raw)

    def _body(
        self, facts: NodeTruthStatus, digest: str, live: list[LiveVM], held: NodeTruth
    ) -> Raw:
        fresh = agent_conditions(facts, self._clock(), held.metadata.generation)
        known = {one.type: one for one in held.status.conditions}
        status = facts.model_copy(
            update={
                "conditions": [_keep_transition(one, known.get(one.type)) for one in fresh],
                "digest": digest,
                "live_vms": live,
                "orphans": list(self._orphans()),
                "why": why_lines(facts, live),
            }
        )
        return {
            "apiVersion": API_VERSION,
            "kind": "NodeTruth",
            "metadata": {"name": self._identity.name},
            "status": status.render(),
        }

    async def _renew_for_ever(self) -> None:
        await self.known.wait()
        while True:
            try:
                if self._held_digest:
                    await self._renew()
            except ApiError as error:
                _LOG.warning("lease.not-renewed", extra={"error": str(error)})
            await asyncio.sleep(_jitter(self._settings.heartbeat_seconds))

    async def _renew(self) -> None:
        body = self._lease()
        try:
            await self._client.merge_patch(LEASES, self._identity.name, body, LEASE_NAMESPACE)
        except NotFoundError:
            try:
                await self._client.create(LEASES, body, LEASE_NAMESPACE)
            except AlreadyExistsError:
                _LOG.info("lease.made-by-another")

    def _lease(self) -> Raw:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._identity.name,
                "annotations": {DIGEST_ANNOTATION: self._held_digest},
            },
            "spec": {
                "holderIdentity": self._identity.machine_id,
                "leaseDurationSeconds": self._settings.lease_duration_seconds,
                "renewTime": render_micro_time(self._clock()),
            },
        }


def _declared(declared: DeclaredCapacity, facts: NodeTruthStatus) -> NodeCapacity:
    """Take the amounts that administrators declare; free huge pages are the kernel's to tell."""
    return NodeCapacity(
        vcpus=declared.vcpus,
        memory=declared.memory,
        disk=declared.disk,
        hugepages=facts.capacity.hugepages if facts.capacity else free_pages(facts.memory),
        basis="Declared",
    )


def _keep_transition(fresh: Condition, known: Condition | None) -> Condition:
    """Move lastTransitionTime only when the status moved."""
    if known is None or known.status != fresh.status:
        return fresh
    return fresh.model_copy(update={"last_transition_time": known.last_transition_time})


def _without_times(value: Any) -> Any:
    """Compare bodies by what they say, not by when it was said or how long it took."""
    if isinstance(value, dict):
        return {
            key: _without_times(one)
            for key, one in value.items()
            if key not in ("observedTime", "probes")
        }
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    return value


def _jitter(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
