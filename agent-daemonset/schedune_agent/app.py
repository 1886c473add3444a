"""The composition root: here the clock is read and everything is put together."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from schedune.evidence.health import Level
from schedune_agent import vm_users
from schedune_agent.cluster import ClusterIdentity
from schedune_agent.early_shutdown import EarlyShutdown
from schedune_agent.facts import FactSource, Probes
from schedune_agent.guest_data import secrets_of
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import (
    IdentityChangedError,
    IdentityError,
    NodeIdentity,
    read_identity,
)
from schedune_agent.ledger import Ledger
from schedune_agent.node import Node
from schedune_agent.placements import PlacementRunner
from schedune_agent.record import RecordStore
from schedune_agent.replay import RecordedFacts
from schedune_agent.seen import AgentMetrics, Vitals, show
from schedune_agent.settings import AgentSettings, agent_lock, run_lock
from schedune_agent.system import cgroup
from schedune_agent.system.launcher import LAUNCHER
from schedune_agent.system.locks import hold_lock
from schedune_agent.system.place import Place, namespaces_of_node
from schedune_agent.system.watching import watch
from schedune_agent.truth import TruthPublisher
from schedune_agent.watched import watched_folders
from schedune_kube.client import KubeClient
from schedune_kube.connections import Connections
from schedune_kube.credentials import Credentials
from schedune_kube.metrics import new_registry
from schedune_kube.settings import SettingsError

_LOG: Final = logging.getLogger(__name__)
_IDENTITY_SECONDS: Final = 1.0
_IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"
"""Variable that every pod is given."""


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


async def run_agents(settings: list[AgentSettings]) -> None:
    """Run one agent for each settings until SIGTERM; VMs go on without us.

    Raises:
        IdentityChangedError: our token is now that of another Node: start again, as its agent.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = AgentMetrics(new_registry(os.environ.get("SCHEDUNE_REVISION", "")))
    async with AsyncExitStack() as stack:
        shared = await _open_connections(settings, stack)
        agents = [_run_agent(one, shared[_server(one)], metrics) for one in settings]
        shown = {one.observability for one in settings if one.observability is not None}
        await _run_until(stop, [*agents, *(show(where, metrics) for where in shown)])


def _server(settings: AgentSettings) -> tuple[str, Path]:
    return settings.kubernetes.server, settings.kubernetes.ca_file


async def _open_connections(
    settings: list[AgentSettings], stack: AsyncExitStack
) -> dict[tuple[str, Path], Connections]:
    """Let all agents of this process that speak to one API server share its connections."""
    found = {}
    for server, ca_file in {_server(one): None for one in settings}:
        connections = Connections(Credentials(server, ca_file=ca_file))
        found[server, ca_file] = await stack.enter_async_context(connections)
    return found


async def _run_until(stop: asyncio.Event, work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all until told to stop, or until one ends by itself."""
    agents = [asyncio.create_task(one) for one in work]
    waiter = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait([*agents, waiter], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _run_agent(settings: AgentSettings, shared: Connections, metrics: AgentMetrics) -> None:
    vitals = Vitals(settings.lease_duration_seconds)
    meter = metrics.follow(vitals, settings.kubernetes.server)
    async with AsyncExitStack() as stack:
        await _hold_locks(settings, stack)
        early = EarlyShutdown(settings, clock)
        if settings.facts_file is None:
            await stack.enter_async_context(early)
        identity = await _await_identity(settings)
        kubernetes = settings.kubernetes
        credentials = Credentials(
            kubernetes.server, ca_file=kubernetes.ca_file, token_file=kubernetes.token_file
        )
        client = await stack.enter_async_context(
            KubeClient(credentials, field_manager="schedune-agent", shared=shared, meter=meter)
        )
        cluster = ClusterIdentity(client, settings.state_directory)
        is_told = bool(settings.cluster_uid)
        if not is_told:
            settings = settings.model_copy(update={"cluster_uid": await cluster.find()})
        contained = settings.containment == "Auto" and cgroup.can_contain()
        if settings.facts_file is None:
            LAUNCHER.begin()  # else the first VM would wait for it
        place = _place(settings, contained=contained)
        node = Node(
            settings=settings,
            identity=identity,
            records=RecordStore(settings.state_directory),
            ledger=Ledger(),
            facts=lambda: publisher.facts,
            clock=clock,
            launches=settings.facts_file is None and settings.execution == "Launches",
            contained=contained,
            vm_users=vm_users.usable(settings),
            place=place,
            read_secret=secrets_of(client),
            look_at_declared=lambda: publisher.look_at_declared(),  # noqa: PLW0108 - made below
            shutdown=HostShutdown(settings.run_directory, identity.boot_id),
            ordered=lambda: publisher.ordered,
        )
        runner = PlacementRunner(
            client,
            node,
            on_live_change=lambda: publisher.nudge(),  # noqa: PLW0108 - made below
            withdraw=lambda uid: publisher.withdraw(uid),  # noqa: PLW0108 - made below
            take_over=early.give_way,
        )
        publisher = TruthPublisher(
            client,
            settings,
            identity,
            _source(settings, identity, client, place, runner.levels, contained=contained),
            live_vms=runner.live_vms,
            orphans=runner.orphans,
            orders=runner.orders,
            clock=clock,
        )
        runner.load()
        vitals.live_vms, vitals.orphans = runner.live_vms, runner.orphans
        vitals.waits_for = "its facts, and what the API server says of its capacity"
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch_identity(settings, identity))
            group.create_task(publisher.run())
            if not is_told:
                group.create_task(cluster.confirm(settings.cluster_uid))
            if settings.facts_file is None:
                group.create_task(watch(watched_folders(settings), publisher.look_again))
            await publisher.settled.wait()
            vitals.waits_for = ""
            group.create_task(runner.run())


def _place(settings: AgentSettings, *, contained: bool) -> Place:
    """Return where VMs run: not in the container that we may be in.

    Raises:
        SettingsError: we are in one, and may not leave it.
    """
    try:
        namespaces = namespaces_of_node() if settings.vm_namespaces == "Auto" else ()
    except PermissionError as error:
        if _IN_A_POD not in os.environ:
            return Place(is_contained=contained)
        raise SettingsError(
            "vmNamespaces: 'Auto' needs a look at the node's first process, which was refused"
            f" ({error}). A VM would end with the container of this agent: give the container"
            " SYS_PTRACE, appArmorProfile Unconfined and the SELinux type spc_t, as"
            " manifests/overlays/launch does"
        ) from error
    _LOG.info("agent.place", extra={"contained": contained, "namespaces": len(namespaces)})
    return Place(namespaces, is_contained=contained)


def _source(
    settings: AgentSettings,
    identity: NodeIdentity,
    client: KubeClient,
    place: Place,
    levels: Callable[[], Sequence[Level]],
    *,
    contained: bool,
) -> FactSource:
    if settings.facts_file is not None:
        return RecordedFacts(settings.facts_file, identity, clock)
    return Probes(
        settings,
        identity,
        "Cgroup" if contained else "Session",
        clock,
        server_offset=lambda: client.server_clock_offset(clock()),
        place=place,
        levels=levels,
    )


async def _hold_locks(settings: AgentSettings, stack: AsyncExitStack) -> None:
    """Let one agent at a time work on a directory; a second one says so and waits."""
    await _hold_lock("stateDirectory", agent_lock(settings), 0o700, stack)
    if settings.facts_file is None:
        # VMs of a recorded node run nowhere.
        await _hold_lock("runDirectory", run_lock(settings.run_directory), 0o711, stack)


async def _hold_lock(field: str, lock: Path, mode: int, stack: AsyncExitStack) -> None:
    told = False
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=mode)
        while not hold_lock(lock, stack):
            if not told:
                _LOG.warning("agent.waits-for-another", extra={field: str(lock.parent)})
            told = True
            await asyncio.sleep(_IDENTITY_SECONDS)
    except OSError as error:
        raise SettingsError(f"{field} {lock.parent}: {error.strerror}") from error


async def _watch_identity(settings: AgentSettings, identity: NodeIdentity) -> None:
    """End when our token speaks for another Node: that of our name was deleted and made anew."""
    while True:
        await asyncio.sleep(settings.heartbeat_seconds)
        try:
            now = read_identity(settings.kubernetes.token_file)
        except IdentityError as error:
            _LOG.warning("agent.no-identity", extra={"error": str(error)})
            continue
        if (now.name, now.uid) != (identity.name, identity.uid):
            raise IdentityChangedError(
                f"{settings.kubernetes.token_file} was for Node {identity.name} with UID"
                f" {identity.uid}, now it is for {now.name} with UID {now.uid}"
            )


async def _await_identity(settings: AgentSettings) -> NodeIdentity:
    """Read who we are; a token that is not there yet is waited for."""
    while True:
        try:
            return read_identity(settings.kubernetes.token_file)
        except IdentityError as error:
            _LOG.warning("agent.no-identity", extra={"error": str(error)})
            await asyncio.sleep(_IDENTITY_SECONDS)
