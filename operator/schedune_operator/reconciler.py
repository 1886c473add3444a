"""One workload: look at it, at its placement and at the fleet, and do the next thing."""

import logging
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.text import WIDTH
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Attempt, LaunchMode, RunState, VMWorkload, VMWorkloadStatus
from schedune.codes import fencing as fencing_codes
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.placing import Nowhere, Placer, Placing
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent, Refused, read_workload
from schedune.lifecycle.changes import changed_fields
from schedune.lifecycle.disks import disks_to_remove
from schedune.lifecycle.mirror import mirror
from schedune.lifecycle.orders import read_orders
from schedune.lifecycle.situation import Claim, Situation, deadline_of, is_overdue
from schedune.lifecycle.wants import makes_room
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError, NotFoundError
from schedune_kube.events import EventRecorder, Subject
from schedune_kube.reflector import Key
from schedune_kube.resources import VMPLACEMENTS, VMWORKLOADS
from schedune_operator import actions
from schedune_operator.agenda import Agenda
from schedune_operator.answers import (
    on_its_way_out,
    refused,
    switched_off,
    tell_order,
    unplaced,
    waiting_for,
)
from schedune_operator.disks import say_what_becomes_of_disks, with_namespace
from schedune_operator.draining import Drains
from schedune_operator.fencing import Fencing, is_proved, release, tell_fence
from schedune_operator.history import next_attempt, remember, remember_fenced, without_fence
from schedune_operator.holds import is_wanted
from schedune_operator.reading import read_intent, read_status
from schedune_operator.replacement import Order, order_for, order_to_recreate
from schedune_operator.seen.meter import Meter
from schedune_operator.status import Answer, render_status, says_the_same, status_patch
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_BAD_NEWS: Final = (
    codes.NO_ELIGIBLE_NODE, codes.NODE_SILENT, fencing_codes.NODE_FENCED,
    fencing_codes.FENCE_CONTRADICTED, fencing_codes.VM_RELEASED,
)  # fmt: skip
_RETELL_S: Final = 3.0
"""An explanation that was made for another who asked the same is made anew after this."""
_WATCH_S: Final = 2.0
"""A VM that is to leave its node, or whose machine is said to be off, is looked at so often."""
_DECISIONS_A_SECOND: Final = 2.0
"""For all VMs together that wait for a place to be placed anew."""


@dataclass(frozen=True)
class Reconciler:
    """Carries out what the core decides for one workload at a time."""

    client: KubeClient
    world: World
    events: EventRecorder
    clock: Callable[[], datetime]
    epoch: Callable[[], int]
    absorb: Callable[[Raw], None]
    policy: SchedulingPolicy
    agenda: Agenda
    fencing: Fencing
    drains: Drains
    meter: Meter = field(default_factory=Meter)
    _watched: dict[Key, float] = field(default_factory=dict, init=False)

    async def reconcile(self, key: Key, raw: Raw | None) -> None:
        """Do the next thing for one workload; safe to repeat at any time."""
        placement = self.world.placement(key)
        self._give_back(key, raw, placement)
        if placement is not None and placement.metadata.deletion_timestamp is not None:
            await say_what_becomes_of_disks(self.client, placement)
        if raw is None:
            if placement is not None:
                await self._end_orphan(placement)
            return
        if raw["metadata"].get("deletionTimestamp"):
            if placement is not None:
                await self._let_go_of_orphan(placement)
            return
        held = read_status(raw)
        answer = await self._answer(raw, held, placement)
        if placement is None:
            self.drains.let_go(key)  # placed by now, or nowhere
        if await self._tell(raw, held, answer) and list(answer.history) != held.history:
            self.agenda.force([key])  # what was remembered is acted upon now

    def _give_back(self, key: Key, raw: Raw | None, placement: VMPlacement | None) -> None:
        """Count nothing for what was not made, and hold nothing for whom nobody wants."""
        if placement is None:
            self.world.give_up(key)
        if not is_wanted(raw, placement):
            self.drains.let_go(key)

    async def _answer(
        self, raw: Raw, held: VMWorkloadStatus, placement: VMPlacement | None
    ) -> Answer:
        workload = read_workload(raw)
        asked = self._asked(workload, held)
        if placement is not None and placement.spec.workload.uid != raw["metadata"]["uid"]:
            await self._end_orphan(placement)
            return waiting_for(placement, held)
        if placement is not None:
            orders = read_orders(raw, placement) if isinstance(workload, tuple) else workload
            return await self._with_placement(orders, asked, held, placement)
        if isinstance(workload, tuple):
            return refused(workload, held)
        if isinstance(asked, tuple):
            return refused(asked, held)
        return await self._without_placement(workload, asked, held)

    def _asked(self, workload: VMWorkload | Refused, held: VMWorkloadStatus) -> Intent | Refused:
        """Return what is to be decided on, or why nothing can be; a running VM goes on then."""
        if not isinstance(workload, tuple):
            unknown = self.world.priorities.objection(workload.spec.priority_class_name)
            if unknown is not None:
                return (unknown,)
        return read_intent(workload, held)

    # --- with a placement ------------------------------------------------------------

    async def _with_placement(
        self,
        workload: VMWorkload,
        asked: Intent | Refused,
        held: VMWorkloadStatus,
        placement: VMPlacement,
    ) -> Answer:
        """Take care of the VM that there is; what is refused of its spec does not touch it."""
        changed = changed_fields(placement, workload, asked)
        fence = self.fencing.judge(placement)
        if fence is not None and is_proved(fence):
            return await self._fenced(held, placement, fence)
        history = without_fence(list(held.history), placement)
        stopped = workload.spec.run_state is RunState.STOPPED
        is_dry = placement.spec.mode is not LaunchMode.EXECUTE
        finished = makes_room(workload, placement, changed) or (is_dry and stopped)
        order = self._order(workload, asked, placement, changed)
        stops = stopped or placement.spec.stop is not None
        if finished:
            history = await self._remember_then_delete(history, placement)
        elif order.stop is not None:
            stops = True
            grace = workload.spec.termination_grace_seconds
            await actions.order_stop(self.client, placement, order.stop.reason, grace)
        key = (placement.metadata.namespace, placement.metadata.name)
        node = placement.spec.node_name
        situation = mirror(
            placement,
            changed,
            held.evaluation,
            silent_since=self.world.last_beat(node),
            is_silent=self.world.is_told_silent(node),
            refusals=asked if isinstance(asked, tuple) else (),
        )
        if self.fencing.watches(placement) or self.drains.is_draining(node):
            self._watch(key)
        elif order.waits is not None:
            # A place for it is looked for: that costs a decision each.
            self._watch(key, max(_WATCH_S, len(self._watched) / _DECISIONS_A_SECOND))
        situation = tell_order(situation, order)
        if fence is not None:
            situation = tell_fence(situation, fence)
        elif order.told is None and (finished or stops):
            situation = on_its_way_out(situation, placement)
        return Answer(situation, held.evaluation, placement, history)

    def _watch(self, key: Key, after_s: float = _WATCH_S) -> None:
        """Look again soon, once however many looks there are meanwhile."""
        now = time.monotonic()
        for other in [other for other, due in self._watched.items() if due <= now]:
            del self._watched[other]
        if key not in self._watched:
            self._watched[key] = now + after_s
            self.agenda.look_again(key, after_s)

    def _order(
        self,
        workload: VMWorkload,
        asked: Intent | Refused,
        placement: VMPlacement,
        changed: list[str],
    ) -> Order:
        """Say whether the VM has to end; one on a silent node is not moved by a change."""
        order, holds = order_for(workload, placement), self.drains.holds
        if order.stop is codes.STOPPED:
            holds.let_go((placement.metadata.namespace, placement.metadata.name))
        holds.review(placement, None if isinstance(asked, tuple) else asked)
        if order.stop or self.world.is_silent(placement.spec.node_name):
            return order
        if isinstance(asked, tuple):
            return self.drains.keep(placement, asked[0])
        order = self.drains.order(asked, placement)
        if order.stop:
            return order
        anew = order_to_recreate(holds, workload, asked, placement, changed)
        return replace(anew, stays=order.stays)

    async def _fenced(
        self, held: VMWorkloadStatus, placement: VMPlacement, fence: Reason
    ) -> Answer:
        """Let go of a placement whose node is fenced, once that stands in the stored history."""
        history = remember_fenced(list(held.history), placement, fence, self.clock())
        if history == list(held.history):
            await release(self.client, placement)
        situation = mirror(placement, [], held.evaluation, silent_since=None, is_silent=False)
        return Answer(tell_fence(situation, fence), held.evaluation, placement, history)

    async def _remember_then_delete(
        self, history: list[Attempt], placement: VMPlacement
    ) -> list[Attempt]:
        """Delete an ended placement once its end stands in the stored history, not before."""
        remembered = remember(history, placement) if placement.status.ended else history
        if remembered == history:
            await actions.delete(self.client, placement)
        return remembered

    async def _end_orphan(self, placement: VMPlacement) -> None:
        """End a placement whose workload is gone: stop, then delete; its agent proves the end."""
        if await self._let_go_of_orphan(placement):
            return
        if placement.metadata.deletion_timestamp is not None:
            return
        if placement.spec.mode is not LaunchMode.EXECUTE or placement.status.ended is not None:
            await actions.delete(self.client, placement)
            return
        if disks_to_remove(placement):
            await say_what_becomes_of_disks(self.client, placement)
            return
        grace = placement.spec.launch.termination_grace_seconds
        await actions.order_stop(self.client, placement, codes.WORKLOAD_GONE.reason, grace)

    async def _let_go_of_orphan(self, placement: VMPlacement) -> bool:
        """Let go of a placement that counts as ended and has no workload to keep its history.

        The evidence is an Event then.
        """
        fence = self.fencing.judge(placement)
        if fence is None or not is_proved(fence):
            return False
        metadata = placement.metadata
        subject = Subject(VMPLACEMENTS, metadata.name, metadata.namespace, metadata.uid)
        await self.events.record(subject, "Warning", fence.row.reason, fence.message)
        await release(self.client, placement)
        return True

    # --- without a placement ---------------------------------------------------------

    async def _without_placement(
        self, workload: VMWorkload, intent: Intent, held: VMWorkloadStatus
    ) -> Answer:
        if workload.spec.run_state is RunState.STOPPED:
            return switched_off(held)
        intent = await with_namespace(self.client, intent)
        self.drains.let_go((intent.namespace, intent.name))  # others were decided on meanwhile
        fleet, now = self.world.fleet(), self.clock()
        with self.meter.evaluation() as evaluation:
            found = self._placer.place(intent, now)
            evaluation.placed = isinstance(found, Placing)
        if isinstance(found, Placing):
            return await self._bind(workload, found, held)
        self.meter.found_nowhere((intent.namespace, intent.name))
        return self._nowhere(workload, intent, found, held, fleet, now)

    @cached_property
    def _placer(self) -> Placer:
        return Placer(self.world.fleet(), self.policy)

    def _nowhere(
        self,
        workload: VMWorkload,
        intent: Intent,
        told: Nowhere,
        held: VMWorkloadStatus,
        fleet: Fleet,
        now: datetime,
    ) -> Answer:
        limit_s = workload.spec.scheduling_deadline_seconds
        due = deadline_of(held.conditions, limit_s) or now + timedelta(seconds=limit_s)
        key = (intent.namespace, intent.name)
        self.agenda.wait_for_fleet(key, fleet, intent, now, due if due >= now else None)
        if told.version != fleet.version:
            self.agenda.look_again(key, _RETELL_S)
        if told.backing_off is not None:
            return unplaced(told, Claim("False", codes.BACKING_OFF, told.backing_off.message), held)
        claim = Claim("False", codes.NO_ELIGIBLE_NODE, told.headline)
        generation = workload.metadata.generation
        stalled = is_overdue(held.conditions, generation, limit_s, now=now)
        return unplaced(told, claim, held, stalled=stalled)

    async def _bind(self, workload: VMWorkload, placing: Placing, held: VMWorkloadStatus) -> Answer:
        """Create the placement: its name makes sure that there is only one."""
        attempt = next_attempt(list(held.history))
        body = actions.placement_body(
            workload, placing, self.policy, attempt=attempt, epoch=self.epoch()
        )
        key = (workload.metadata.namespace, workload.metadata.name)
        if workload.spec.launch_mode is LaunchMode.EXECUTE:
            # Counted before it is written: others are decided on while this write is under way.
            self.world.assume(key, placing.record)
        made = await actions.create(self.client, self.world, key, body)
        placement = self.world.placement(key)
        if not made or placement is None:
            return await self._name_is_taken(workload, held)
        told = {"workload": workload.metadata.name, "node": placing.node.name}
        _LOG.info("workload.placed", extra=told)
        self.meter.placed(key)
        # Told as every later look will tell it: else the status would be written a second time.
        situation = mirror(placement, [], placing.evaluation, silent_since=None, is_silent=False)
        return Answer(situation, placing.evaluation, placement, held.history)

    async def _name_is_taken(self, workload: VMWorkload, held: VMWorkloadStatus) -> Answer:
        """A placement of this name exists that our mirror does not hold: look at it itself."""
        metadata = workload.metadata
        raw = await self.client.get(VMPLACEMENTS, metadata.name, metadata.namespace)
        self.world.absorb(raw)
        _LOG.warning("mirror.missed-a-placement", extra={"workload": metadata.name})
        placement = self.world.placement((metadata.namespace, metadata.name))
        if placement is not None:
            return waiting_for(placement, held)
        told = codes.WAITING_FOR_PREVIOUS_VM.sentence.format(observed="its placement still exists")
        claim = Claim("False", codes.WAITING_FOR_PREVIOUS_VM, told)
        situation = Situation(ready=claim, scheduled=claim, why=textwrap.wrap(told, WIDTH))
        return Answer(situation, held.evaluation, None, held.history)

    # --- telling ---------------------------------------------------------------------

    async def _tell(self, raw: Raw, held: VMWorkloadStatus, answer: Answer) -> bool:
        """Write the status if it says anything new; an Event when the headline changed.

        Return whether it was written.
        """
        metadata = raw["metadata"]
        fresh = render_status(answer, held, int(metadata["generation"]), self.clock())
        if held.conditions and says_the_same(fresh, held.render()):
            self.meter.kept_status()
            return False
        patch = status_patch(fresh, metadata["resourceVersion"])
        try:
            stored = await self.client.merge_patch(
                VMWORKLOADS, metadata["name"], patch, metadata["namespace"], subresource="status"
            )
        except ConflictError:
            return False
        except NotFoundError:
            self.agenda.cache.forget(raw)
            return False
        self.absorb(stored)
        ready = answer.situation.ready
        subject = Subject(VMWORKLOADS, metadata["name"], metadata["namespace"], metadata["uid"])
        await self._tell_of_stay(subject, held, answer.situation.scheduled)
        if ready.row.reason != held.reason:
            bad = answer.situation.stalled or ready.row in _BAD_NEWS
            await self.events.record(
                subject, "Warning" if bad else "Normal", ready.row.reason, ready.message
            )
        return True

    async def _tell_of_stay(
        self, subject: Subject, held: VMWorkloadStatus, scheduled: Claim
    ) -> None:
        """Warn once of a VM that has to leave its node and has no other."""
        told = {one.type: one.reason for one in held.conditions}
        reason = scheduled.row.reason
        if scheduled.row is codes.DRAIN_WAITS and told.get("Scheduled") != reason:
            await self.events.record(subject, "Warning", reason, scheduled.message)
