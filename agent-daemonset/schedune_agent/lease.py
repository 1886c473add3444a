"""The heartbeat: a Lease that says that we live, and which facts of ours hold."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from schedune_agent.identity import NodeIdentity
from schedune_agent.settings import AgentSettings
from schedune_kube.back_off import BackOff
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from schedune_kube.resources import LEASES
from schedune_kube.times import render_micro_time

LEASE_NAMESPACE: Final = "schedune-node-lease"
DIGEST_ANNOTATION: Final = "schedune.io/truth-digest"
_SHORTEST_S: Final = 1.0
_LOG: Final = logging.getLogger(__name__)


class Heartbeat:
    """Keeps the node's Lease renewed.

    It goes on beating when nothing can be vouched for: with an empty digest it proves that
    this machine lives, and that its VMs may, which is what a fence has to know.
    """

    def __init__(
        self,
        client: KubeClient,
        settings: AgentSettings,
        identity: NodeIdentity,
        *,
        one_at_a_time: asyncio.Lock,
        catch_up: Callable[[], Awaitable[None]],
        vouched: Callable[[], str],
        is_replaced: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._settings = settings
        self._identity = identity
        self._catch_up = catch_up
        self._vouched = vouched
        self._is_replaced = is_replaced
        self._clock = clock
        self._one_at_a_time = one_at_a_time
        self._told_other = False

    async def run(self) -> None:
        """Renew for ever; sooner than usual after a failure."""
        usual = self._settings.heartbeat_seconds
        pauses = BackOff(min(_SHORTEST_S, usual), usual)
        while True:
            pause = usual * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
            try:
                await self._catch_up()
                async with self._one_at_a_time:
                    await self.beat()
                pauses.succeeded()
            except ApiError as error:
                _LOG.warning("lease.not-renewed", extra={"error": str(error)})
                pause = pauses.failed(error)
            await asyncio.sleep(pause)

    async def beat(self) -> None:
        """Renew now, while nobody writes the truth: what is vouched for must be what it says.

        Raises:
            ApiError: it is not known whether it is renewed.
        """
        if self._is_replaced():
            await self._renew_what_is_ours()
        else:
            await self._renew(self._body(self._vouched()))

    async def _renew(self, body: Raw) -> None:
        name = self._identity.name
        try:
            await self._client.merge_patch(LEASES, name, body, LEASE_NAMESPACE)
        except NotFoundError:
            try:
                await self._client.create(LEASES, body, LEASE_NAMESPACE)
            except AlreadyExistsError:
                _LOG.info("lease.made-by-another")

    async def _renew_what_is_ours(self) -> None:
        """Say that this machine lives, unless another machine has taken the name over."""
        body = self._body("")
        try:
            held = await self._client.get(LEASES, self._identity.name, LEASE_NAMESPACE)
        except NotFoundError:
            await self._renew(body)
            return
        holder = (held.get("spec") or {}).get("holderIdentity")
        if holder != self._identity.machine_id:
            if not self._told_other:
                _LOG.warning("lease.held-by-another-machine", extra={"holder": holder})
            self._told_other = True
            return
        body["metadata"]["resourceVersion"] = held["metadata"]["resourceVersion"]
        try:
            await self._renew(body)
        except ConflictError:
            _LOG.info("lease.renewed-by-another")

    def _body(self, digest: str) -> Raw:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._identity.name, "annotations": {DIGEST_ANNOTATION: digest}},
            "spec": {
                "holderIdentity": self._identity.machine_id,
                "leaseDurationSeconds": self._settings.lease_duration_seconds,
                "renewTime": render_micro_time(self._clock()),
            },
        }
