"""The composition root: here the clock is read and everything is put together."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import kopf

from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.events import QueuedEvents, Subject
from schedune_kube.leader import Elector, Fence, LeaderTimes
from schedune_kube.metrics import RequestMetrics, new_registry
from schedune_kube.reflector import Key, Reflector
from schedune_kube.resources import LEASES
from schedune_kube.settings import SettingsError, kubernetes_of_pod
from schedune_operator.admission.webhook import Webhook
from schedune_operator.agenda import Agenda
from schedune_operator.auditor import Auditor
from schedune_operator.bells import Bells
from schedune_operator.cache import WorkloadCache
from schedune_operator.draining import Drains
from schedune_operator.fencing import Fencing
from schedune_operator.freshness import deaf_after_s
from schedune_operator.garbage import hold_back_until
from schedune_operator.handlers import make_registry
from schedune_operator.holds import Holds
from schedune_operator.loop import SchedulingLoop
from schedune_operator.outage import OutageWatch
from schedune_operator.reconciler import Reconciler
from schedune_operator.seen.meter import Meter
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.windows import windows
from schedune_operator.settings import OperatorSettings
from schedune_operator.truths import TruthJudge
from schedune_operator.world import World

MANAGER: Final = "schedune-operator"
NAMESPACE: Final = "schedune-system"


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def credentials_of(settings: OperatorSettings) -> Credentials:
    """Return how we prove who we are: by the settings, else by our pod.

    Raises:
        SettingsError: neither is there.
    """
    given = settings.kubernetes or kubernetes_of_pod(os.environ)
    if given is None:
        raise SettingsError("`kubernetes` is not set and this is no pod: give a settings file")
    return Credentials(given.server, ca_file=given.ca_file, token_file=given.token_file)


@dataclass(frozen=True)
class Operator:
    """Everything that decides and tells; who brings in the workloads is not part of it."""

    cache: WorkloadCache
    world: World
    elector: Elector
    judge: TruthJudge
    loop: SchedulingLoop
    events: QueuedEvents
    bells: Bells
    webhook: Webhook | None
    meter: Meter

    def members(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what has to run, by name."""
        settings = self.loop.settings
        return {
            "elector": self.elector.run(),
            "nodes": self._mirror(self.world.nodes),
            "truths": self._mirror(self.world.truths),
            "placements": self._mirror(self.world.placements),
            "priorities": self.world.priorities.mirror.run(),
            "namespaces": self.world.namespaces.mirror.run(),
            "heartbeats": self.world.follow_heartbeats(settings.lease_poll_seconds),
            "judge": self.judge.run(settings.tick_seconds),
            "garbage": hold_back_until(self.world.wait_until_synced()),
            "events": self.events.run(),
            "bells": self.bells.run(),
            "loop": self.loop.run(),
        } | ({"webhook": self.webhook.run()} if self.webhook else {})

    def reading(self) -> Reading:
        """Return what whoever only looks may see."""
        settings, elector = self.loop.settings, self.elector
        return Reading(
            self.world,
            self.cache,
            lambda: elector.leading(0),
            clock,
            settings.policy,
            settings.expire_seconds,
        )

    async def _mirror(self, mirror: Reflector) -> None:
        """Mirror for ever; a list that begins after the Lease is ours need not be repeated."""
        await self.elector.tried.wait()
        await mirror.run()


def assemble(
    client: KubeClient,
    lease_client: KubeClient,
    settings: OperatorSettings,
    meter: Meter | None = None,
) -> Operator:
    """Put the operator together; the leader's Lease has a client of its own."""
    cache, meter = WorkloadCache(), meter or Meter()
    world = World(client, cache.changed.set, cache.peer_of, clock)
    elector = _elector(lease_client, settings)
    fence = Fence(elector)
    client.guard(fence, settings.leader.margin_seconds)
    agenda = Agenda(world, cache, settings.policy)
    bells = Bells(client, world, fence)
    _wire(cache, world, agenda, bells, meter)
    events = QueuedEvents(client, MANAGER, clock, lambda: len(agenda.lanes) > 0)
    holds = Holds(world, settings.policy, clock)
    world.on_freed = holds.take_over
    drains = Drains(world, holds, settings.drain_at_once)
    judge = TruthJudge(
        client=client,
        world=world,
        events=events,
        clock=clock,
        leading=fence,
        lease=Subject(LEASES, MANAGER, NAMESPACE, ""),
        deaf_after_s=deaf_after_s(settings.lease_poll_seconds),
        expire_s=settings.expire_seconds,
        outage=OutageWatch(settings.outage_nodes, settings.expire_seconds),
        drain=drains.tell,
    )
    reconciler = Reconciler(
        client,
        world,
        events,
        clock,
        lambda: elector.epoch,
        cache.absorb,
        settings.policy,
        agenda,
        Fencing(world),
        drains,
        meter,
    )
    loop = SchedulingLoop(
        client=client,
        settings=settings,
        cache=cache,
        world=world,
        elector=elector,
        fence=fence,
        reconciler=reconciler,
        agenda=agenda,
        auditor=Auditor(client, world, settings.policy),
        bells=bells,
        clock=clock,
        meter=meter,
        last_words=events.say_the_rest,
    )
    webhook = None
    if settings.admission is not None:
        # Answers, and its authority, are every operator's: ``client`` writes for the leader only.
        webhook = Webhook(lease_client, world, settings.admission, settings.policy, clock, fence)
    return Operator(cache, world, elector, judge, loop, events, bells, webhook, meter)


def _wire(cache: WorkloadCache, world: World, agenda: Agenda, bells: Bells, meter: Meter) -> None:
    """Let whoever hears of a change tell whom it concerns."""

    def note_workload(key: Key) -> None:
        world.note_placement(key)
        meter.noticed(key, cache.workloads.get(key))
        agenda.note(key)

    cache.on_note = note_workload

    def note_placement(key: Key) -> None:
        agenda.note(key)
        bells.note(key)

    world.on_placement = note_placement
    world.on_absorb = bells.note
    world.on_node = agenda.note_node
    world.priorities.on_change = agenda.note_priorities
    agenda.lanes.on_add = meter.added


async def run_operator(settings: OperatorSettings) -> None:
    """Run until SIGTERM; any member that fails ends the process, which is then restarted."""
    credentials = credentials_of(settings)
    stop, kopf_is_up, kopf_stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    meter = Meter(new_registry(os.environ.get("SCHEDUNE_REVISION", "")))
    requests = RequestMetrics(meter.registry).meter(credentials.server, meter.asked)
    async with (
        KubeClient(credentials, field_manager=MANAGER, meter=requests) as client,
        KubeClient(credentials, field_manager=MANAGER, meter=requests) as lease_client,
    ):
        operator = assemble(client, lease_client, settings, meter)
        seen = windows(
            operator.reading(),
            meter,
            settings,
            lease_client,
            name=MANAGER,
            follows_workloads=kopf_is_up.is_set,
            deaf_after_s=deaf_after_s(settings.lease_poll_seconds),
        )
        running = (
            operator.members()
            | seen
            | {
                "kopf": _run_kopf(credentials, operator.cache, kopf_stop, kopf_is_up),
                "signals": _take_signals(stop, kopf_is_up),
            }
        )
        members = [asyncio.create_task(one, name=name) for name, one in running.items()]
        await _until_stopped(members, stop, kopf_stop, operator.loop.drain)
        await operator.elector.release()


async def _until_stopped(
    members: list[asyncio.Task[None]],
    stop: asyncio.Event,
    kopf_stop: asyncio.Event,
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Wait for SIGTERM or for a member that ends; then end them all.

    At SIGTERM what is under way lands first; kopf, which cancels what it does not know, ends last.
    """
    waiter = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait([*members, waiter], return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        await drain()
    stop.set()
    kopf_stop.set()
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _take_signals(stop: asyncio.Event, kopf_is_up: asyncio.Event) -> None:
    """Let SIGTERM set our flag; again once kopf is up, which takes the signals for itself.

    Ended by its own handler, kopf would wait five seconds for the task that waits for our flag.
    """
    event_loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        event_loop.add_signal_handler(number, stop.set)
    await kopf_is_up.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        event_loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def _run_kopf(
    credentials: Credentials, cache: WorkloadCache, stop: asyncio.Event, is_up: asyncio.Event
) -> None:
    await kopf.operator(
        registry=make_registry(credentials),
        memo=cache,
        standalone=True,
        # Used by nothing here; kopf would ask for our user's name, and in a pod we have none.
        identity=MANAGER,  # type: ignore[arg-type]
        clusterwide=True,
        stop_flag=stop,
        ready_flag=is_up,
    )


def _elector(client: KubeClient, settings: OperatorSettings) -> Elector:
    leader = settings.leader
    return Elector(
        client,
        name=MANAGER,
        namespace=NAMESPACE,
        identity=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        times=LeaderTimes(
            leader.duration_seconds,
            leader.renew_deadline_seconds,
            leader.retry_seconds,
            leader.margin_seconds,
        ),
        clock=clock,
    )
