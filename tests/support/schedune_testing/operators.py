"""The operator on a real API server, by its own token; a mirror stands in for kopf's watch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from schedune_kube.client import KubeClient, Raw
from schedune_kube.reflector import Key, Reflector
from schedune_kube.resources import VMWORKLOADS
from schedune_operator.app import MANAGER, Operator, assemble
from schedune_operator.settings import OperatorSettings
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane

QUICK: dict[str, Any] = {
    "leasePollSeconds": 0.3,
    "tickSeconds": 0.3,
    "sweepSeconds": 3600,
    "leader": {
        "durationSeconds": 6,
        "renewDeadlineSeconds": 4,
        "retrySeconds": 1,
        "marginSeconds": 0.2,
    },
}
"""Settings with which a test takes seconds."""


@asynccontextmanager
async def operating(
    control_plane: ControlPlane, admin: KubeClient, **settings: Any
) -> AsyncIterator[Operator]:
    """Run an operator as long as the context lasts."""
    credentials = bearing(control_plane, await token_of(admin, None, MANAGER))
    async with (
        KubeClient(credentials, field_manager=MANAGER) as client,
        KubeClient(credentials, field_manager=MANAGER) as lease_client,
    ):
        read = OperatorSettings.model_validate({**QUICK, **settings})
        operator = assemble(client, lease_client, read)

        def note(_key: Key, raw: Raw | None) -> None:
            if raw is not None:
                operator.cache.note("MODIFIED", raw)

        workloads = Reflector(client, VMWORKLOADS, on_change=note)
        members = [*operator.members().values(), workloads.run()]
        tasks = [asyncio.create_task(one) for one in members]
        try:
            yield operator
            failed = [task for task in tasks if task.done() and task.exception() is not None]
            assert not failed, [task.exception() for task in failed]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await operator.elector.release()
