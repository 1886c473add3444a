"""One workload: look at it, at its placement and at the fleet, and do the next thing."""

import logging
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from pydantic import ValidationError

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.text import WIDTH, plain_line
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import Attempt, LaunchMode, RunState, VMWorkload, VMWorkloadStatus
from schedune.codes import summary as codes
from schedune.codes.row import Reason
from schedune.decision.placing import Nowhere, Placer, Placing
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune.launch.resolve import resolve_launch
from schedune.lifecycle.disks import disks_to_remove
from schedune.lifecycle.mirror import changed_fields, mirror
from schedune.lifecycle.situation import Claim, Situation, deadline_of, is_overdue
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError, NotFoundError
from schedune_kube.events import EventRecorder, Subject
from schedune_kube.reflector import Key
from schedune_kube.resources import VMPLACEMENTS, VMWORKLOADS
from schedune_operator import actions
from schedune_operator.agenda import Agenda
from schedune_operator.disks import say_what_becomes_of_disks, with_namespace
from schedune_operator.history import failed_before_guest, next_attempt, remember
from schedune_operator.replacement import (
    Order,
    is_restart_asked,
    order_for,
    order_to_recreate,
    recreates,
)
from schedune_operator.status import Answer, render_status, says_the_same, status_patch
from schedune_operator.world import World

_LOG: Final = logging.getLogger(__name__)
_RETELL_S: Final = 3.0
"""An explanation that was made for another who asked the same is made anew after this."""


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

    async def reconcile(self, key: Key, raw: Raw | None) -> None:
        """Do the next thing for one workload; safe to repeat at any time."""
        placement = self.world.placement(key)
        if placement is not None and placement.metadata.deletion_timestamp is not None:
            await say_what_becomes_of_disks(self.client, placement)
        if raw is None:
            if placement is not None:
                await self._end_orphan(placement)
            return
        if raw["metadata"].get("deletionTimestamp"):
            return
        held = _read_status(raw)
        workload = read_workload(raw)
        if isinstance(workload, tuple):
            await self._tell(raw, held, _refused(workload))
            return
        answer = await self._answer(workload, held, placement)
        await self._tell(raw, held, answer)

    async def _answer(
        self,
        workload: VMWorkload,
        held: VMWorkloadStatus,
        placement: VMPlacement | None,
    ) -> Answer:
        intent = unsupported_fields(workload.spec) or parse_intent(workload, held)
        unknown = self.world.priorities.objection(workload.spec.priority_class_name)
        if unknown is not None and placement is None:
            return _refused((unknown,))
        if placement is not None and placement.spec.workload.uid != workload.metadata.uid:
            await self._end_orphan(placement)
            return _waiting_for(placement, held)
        if isinstance(intent, tuple):
            refused = _refused(intent)
            return Answer(refused.situation, held.evaluation, placement, held.history)
        if placement is not None:
            return await self._with_placement(workload, intent, held, placement)
        return await self._without_placement(workload, intent, held)

    # --- with a placement ------------------------------------------------------------

    async def _with_placement(
        self, workload: VMWorkload, intent: Intent, held: VMWorkloadStatus, placement: VMPlacement
    ) -> Answer:
        bound = placement.spec
        wanted = resolve_launch(intent, bound.launch.architecture, bound.backend).render()
        changed = changed_fields(placement, wanted)
        if placement.spec.mode is not workload.spec.launch_mode:
            changed.append("launchMode")
        history = list(held.history)
        finished = self._is_finished(workload, placement, changed)
        order = self._order(workload, intent, placement, changed)
        stops = workload.spec.run_state is RunState.STOPPED or placement.spec.stop is not None
        if finished:
            history = await self._remember_then_delete(history, placement)
        elif order.stop is not None:
            stops = True
            grace = workload.spec.termination_grace_seconds
            await actions.order_stop(self.client, placement, order.stop.reason, grace)
        node = placement.spec.node_name
        situation = mirror(
            placement,
            changed,
            held.evaluation,
            silent_since=self.world.last_beat(node),
            is_silent=self.world.is_silent(node),
        )
        if order.waits is not None:
            waits = Claim("False", order.waits.row, order.waits.message)
            situation = replace(situation, up_to_date=waits)
        if finished or stops:
            situation = _on_its_way_out(situation, placement)
        return Answer(situation, held.evaluation, placement, history)

    def _order(
        self, workload: VMWorkload, intent: Intent, placement: VMPlacement, changed: list[str]
    ) -> Order:
        """Say whether the VM has to end; one on a silent node is not moved by a change."""
        order = order_for(workload, placement)
        silent = self.world.is_silent(placement.spec.node_name)
        if order.stop or silent or not recreates(workload, placement, changed):
            return order
        fleet, now = self.world.fleet(), self.clock()
        return order_to_recreate(fleet, intent, placement, changed, self.policy, now)

    async def _remember_then_delete(
        self, history: list[Attempt], placement: VMPlacement
    ) -> list[Attempt]:
        """Delete an ended placement once its end stands in the stored history, not before."""
        remembered = remember(history, placement) if placement.status.ended else history
        if remembered == history:
            await actions.delete(self.client, placement)
        return remembered

    def _is_finished(
        self, workload: VMWorkload, placement: VMPlacement, changed: list[str]
    ) -> bool:
        """Say whether the placement has served its turn and makes room for another, or none."""
        if placement.spec.mode is not LaunchMode.EXECUTE:
            stopped = workload.spec.run_state is RunState.STOPPED
            again = bool(changed) or is_restart_asked(workload, placement)
            return again or stopped or placement.status.ended is not None
        if placement.status.ended is None:
            return False
        by_order = placement.spec.stop is not None
        by_order = by_order or placement.metadata.deletion_timestamp is not None
        by_order = by_order or is_restart_asked(workload, placement)
        return by_order or failed_before_guest(placement) or bool(changed)

    async def _end_orphan(self, placement: VMPlacement) -> None:
        """End a placement whose workload is gone: stop, then delete; its agent proves the end."""
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

    # --- without a placement ---------------------------------------------------------

    async def _without_placement(
        self, workload: VMWorkload, intent: Intent, held: VMWorkloadStatus
    ) -> Answer:
        if workload.spec.run_state is RunState.STOPPED:
            told = codes.STOPPED.sentence
            ready = Claim("True", codes.STOPPED, told)
            off = Claim("False", codes.STOPPED, told)
            return Answer(
                Situation(ready=ready, scheduled=off, launched=off, settled=True, why=[told]),
                None, None, held.history,
            )  # fmt: skip
        intent = await with_namespace(self.client, intent)
        self.world.give_up((intent.namespace, intent.name))
        fleet, now = self.world.fleet(), self.clock()
        found = self._placer.place(intent, now)
        if isinstance(found, Placing):
            return await self._bind(workload, found, held)
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
            return _unplaced(
                told, Claim("False", codes.BACKING_OFF, told.backing_off.message), held
            )
        claim = Claim("False", codes.NO_ELIGIBLE_NODE, told.headline)
        generation = workload.metadata.generation
        stalled = is_overdue(held.conditions, generation, limit_s, now=now)
        return _unplaced(told, claim, held, stalled=stalled)

    async def _bind(self, workload: VMWorkload, placing: Placing, held: VMWorkloadStatus) -> Answer:
        """Create the placement: its name makes sure that there is only one."""
        attempt = next_attempt(list(held.history))
        body = actions.placement_body(workload, placing, attempt=attempt, epoch=self.epoch())
        node, key = placing.node.name, (workload.metadata.namespace, workload.metadata.name)
        if workload.spec.launch_mode is LaunchMode.EXECUTE:
            # Counted before it is written: others are decided on while this write is under way.
            self.world.assume(key, placing.record)
        if not await actions.create(self.client, self.world, key, body):
            return await self._name_is_taken(workload, held)
        _LOG.info("workload.placed", extra={"workload": workload.metadata.name, "node": node})
        told = f"{node} chosen (score {placing.score}); {placing.headline}"
        situation = Situation(
            ready=Claim("False", codes.WAITING_FOR_AGENT, told),
            scheduled=Claim("True", codes.PLACED, told),
            why=placing.why,
        )
        return Answer(situation, placing.evaluation, self.world.placement(key), held.history)

    async def _name_is_taken(self, workload: VMWorkload, held: VMWorkloadStatus) -> Answer:
        """A placement of this name exists that our mirror does not hold: look at it itself."""
        metadata = workload.metadata
        raw = await self.client.get(VMPLACEMENTS, metadata.name, metadata.namespace)
        self.world.absorb(raw)
        _LOG.warning("mirror.missed-a-placement", extra={"workload": metadata.name})
        placement = self.world.placement((metadata.namespace, metadata.name))
        if placement is not None:
            return _waiting_for(placement, held)
        told = codes.WAITING_FOR_PREVIOUS_VM.sentence.format(observed="its placement still exists")
        claim = Claim("False", codes.WAITING_FOR_PREVIOUS_VM, told)
        situation = Situation(ready=claim, scheduled=claim, why=textwrap.wrap(told, WIDTH))
        return Answer(situation, held.evaluation, None, held.history)

    # --- telling ---------------------------------------------------------------------

    async def _tell(self, raw: Raw, held: VMWorkloadStatus, answer: Answer) -> None:
        """Write the status if it says anything new; an Event when the headline changed."""
        metadata = raw["metadata"]
        fresh = render_status(answer, held, int(metadata["generation"]), self.clock())
        if held.conditions and says_the_same(fresh, held.render()):
            return
        patch = status_patch(fresh, metadata["resourceVersion"])
        try:
            stored = await self.client.merge_patch(
                VMWORKLOADS, metadata["name"], patch, metadata["namespace"], subresource="status"
            )
        except (ConflictError, NotFoundError):
            return
        self.absorb(stored)
        ready = answer.situation.ready
        if ready.row.reason != held.reason:
            subject = Subject(VMWORKLOADS, metadata["name"], metadata["namespace"], metadata["uid"])
            bad = answer.situation.stalled or ready.row in (
                codes.NO_ELIGIBLE_NODE,
                codes.NODE_SILENT,
            )
            await self.events.record(
                subject, "Warning" if bad else "Normal", ready.row.reason, ready.message
            )


def _read_status(raw: Raw) -> VMWorkloadStatus:
    """Read what we wrote; what cannot be read is lost history, nothing else."""
    try:
        return VMWorkloadStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        _LOG.error(
            "status.unreadable", extra={"workload": raw["metadata"]["name"], "error": str(error)}
        )
        return VMWorkloadStatus()


def _refused(reasons: tuple[Reason, ...]) -> Answer:
    """Say everything that is wrong with an intent; nothing happens until it is changed."""
    first = reasons[0]
    lines = [plain_line(f"{one.row.code}: {one.message}") for one in reasons[:10]]
    message = "; ".join(one.message for one in reasons)
    claim = Claim("False", first.row, message)
    return Answer(
        Situation(
            ready=claim, scheduled=claim, stalled=True, why=[*lines, plain_line(first.row.remedy)]
        )
    )


def _on_its_way_out(situation: Situation, placement: VMPlacement) -> Situation:
    """Tell that a placement makes room: its end is not the end of the workload."""
    ended, node = placement.status.ended, placement.spec.node_name
    if situation.ready.status == "Unknown":
        return situation
    if ended is None and placement.spec.mode is not LaunchMode.EXECUTE:
        told = f"the one on {node} is for an earlier spec"
        reason = Reason(codes.WAITING_FOR_PREVIOUS_VM, told)
    elif ended is not None and failed_before_guest(placement):
        reason = Reason(codes.BACKING_OFF, f"{ended.reason} on {node}", "after a pause")
    else:
        told = f"{ended.reason} on {node}" if ended else f"{placement.status.state} on {node}"
        reason = Reason(codes.STOPPING, told)
    return replace(
        situation,
        ready=Claim("False", reason.row, reason.message),
        settled=False,
        stalled=False,
        why=[*textwrap.wrap(reason.message, WIDTH), *situation.why[1:]][:12],
    )


def _waiting_for(placement: VMPlacement, held: VMWorkloadStatus) -> Answer:
    metadata, vmm = placement.metadata, placement.status.vmm
    pid = f", pid {vmm.pid}" if vmm else ""
    told = (
        f"placement {metadata.uid} on {placement.spec.node_name}{pid} is {placement.status.state}"
    )
    message = codes.WAITING_FOR_PREVIOUS_VM.sentence.format(observed=told)
    claim = Claim("False", codes.WAITING_FOR_PREVIOUS_VM, message)
    return Answer(
        Situation(ready=claim, scheduled=claim, why=textwrap.wrap(message, WIDTH)),
        held.evaluation,
        None,
        held.history,
    )


def _unplaced(
    told: Nowhere, claim: Claim, held: VMWorkloadStatus, *, stalled: bool = False
) -> Answer:
    situation = Situation(
        ready=claim,
        scheduled=Claim("False", claim.row, claim.message),
        launched=Claim("False", claim.row, ""),
        stalled=stalled,
        why=told.why,
    )
    return Answer(situation, told.evaluation, None, held.history)
