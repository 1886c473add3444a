"""The placements of this node: watched, carried out, reported, released."""

import asyncio
import logging
import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from pydantic import ValidationError

from schedune.api.merge_patch import replacing
from schedune.api.nodetruth import LiveVM, Orphan, OrphanOrder
from schedune.api.vmplacement import FINALIZER, VMPlacement, VMPlacementStatus
from schedune.evidence.health import Level
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.node import Node
from schedune_agent.orphan_orders import OrphanOrders
from schedune_agent.orphans import Orphans, Sweep
from schedune_agent.placement_worker import AFTER_ERROR_SECONDS, PlacementWorker
from schedune_agent.record import RecordedProcess
from schedune_agent.sweep_alarm import SweepAlarm
from schedune_agent.system.first import first_of
from schedune_kube.client import KubeClient, Raw
from schedune_kube.doorbell import CalledMirror
from schedune_kube.errors import ApiError, ConflictError, InvalidError, NotFoundError
from schedune_kube.reflector import Key
from schedune_kube.resources import VMPLACEMENTS

_LOG: Final = logging.getLogger(__name__)
_SWEEP_SECONDS: Final = 15.0
_SHUTDOWN_SECONDS: Final = 0.5
"""How often it is looked whether the host goes down."""


async def _nobody_gives_way() -> None:
    """Take over at once: nobody else acts on what the records name."""


class PlacementRunner:
    """Runs one worker for every placement that is bound to this node."""

    def __init__(
        self,
        client: KubeClient,
        node: Node,
        *,
        on_live_change: Callable[[], None],
        withdraw: Callable[[str], Awaitable[None]],
        take_over: Callable[[], Awaitable[None]] = _nobody_gives_way,
    ) -> None:
        self._client = client
        self._node = node
        self._on_live_change = on_live_change
        self._withdraw = withdraw
        self._take_over = take_over
        self._workers: dict[str, PlacementWorker] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._told: dict[str, tuple[object, ...]] = {}
        """From what the status was put together that its placement has."""
        self._orphans = Orphans(node)
        self._sweep_alarm = SweepAlarm()
        self._orders = OrphanOrders(node.ordered, node.identity.boot_id)
        self._arrived: asyncio.Queue[Raw] = asyncio.Queue()
        self._reflector = CalledMirror(
            client,
            node.identity.name,
            on_change=self._on_change,
            list_s=node.settings.list_seconds,
            list_without_bell_s=node.settings.list_without_bell_seconds,
        )

    def live_vms(self) -> Sequence[LiveVM]:
        """Return the VMs that run here, or may; records without a placement count too."""
        workers = {uid: one.record for uid, one in self._workers.items()}
        return [
            LiveVM(
                placement_uid=uid,
                workload_uid=record.workload_uid,
                namespace=record.namespace,
                name=record.name,
            )
            for uid, record in sorted({**self._orphans.records, **workers}.items())
            if record.may_run
        ]

    def orphans(self) -> Sequence[Orphan]:
        """Return the processes that no placement accounts for."""
        return self._orphans.found

    def levels(self) -> Sequence[Level]:
        """Return what of this node's health the work on placements tells."""
        return self._sweep_alarm.levels()

    def orders(self) -> Sequence[OrphanOrder]:
        """Return what became of administrators' orders about orphans."""
        return self._orders.told

    def load(self) -> None:
        """Read what was left until now, before anything is published or admitted."""
        self._orphans.load()

    async def run(self) -> None:
        """Work for ever. What runs already is counted before anything new is admitted."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflector.run())
            await self._reflector.synced.wait()
            await self._take_over()
            self.load()  # what was ended until now stands in the records
            while not self._arrived.empty():
                self._take_in(self._arrived.get_nowait(), group)
            self._sweep()
            group.create_task(self._sweep_for_ever())
            if self._node.shutdown is not None:
                group.create_task(self._answer_shutdown(self._node.shutdown))
            while True:
                self._take_in(await self._arrived.get(), group)

    async def _answer_shutdown(self, shutdown: HostShutdown) -> None:
        """Wake all when the host goes down, or does not after all; tell when no guest runs."""
        was_ordered = False
        while True:
            is_ordered = shutdown.is_ordered
            if is_ordered != was_ordered:
                _LOG.warning("host.goes-down" if is_ordered else "host.stays-up")
                for wake in self._wakes.values():
                    wake.set()
            was_ordered = is_ordered
            rests = is_ordered and all(one.rests for one in self._workers.values())
            try:
                if rests:
                    shutdown.tell_done()
                else:
                    shutdown.take_back_done()
            except OSError as error:
                _LOG.warning("host.no-answer", extra={"error": str(error)})
            await asyncio.sleep(_SHUTDOWN_SECONDS)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            told = self._orders.told
            try:
                await self._orders.carry_out(self._look, self._adopt)
            except Exception:  # noqa: BLE001 - the top of a loop
                _LOG.exception("orders.not-carried-out")
            if self._orders.told != told:
                self._on_live_change()

    def _look(self) -> Sweep:
        self._sweep()
        return self._orphans.last

    def _adopt(self, uid: str, process: RecordedProcess) -> bool:
        """Record a process as the VM of a placement; say whether there is one to take it.

        Raises:
            RecordError: it cannot be written down.
        """
        worker = self._workers.get(uid)
        if worker is None or not worker.choose(process):
            return False
        self._wakes[uid].set()
        return True

    def _sweep(self) -> None:
        """Look for VMs without a placement; tell of them when that has changed."""
        before = self.live_vms(), self._orphans.found
        listed = {raw["metadata"]["uid"]: None for raw in self._reflector.store.values()}
        carried = {uid: one.record for uid, one in self._workers.items()}
        failure: Exception | None = None
        try:
            self._orphans.sweep({**listed, **carried})
        except OSError as error:
            failure = error
            _LOG.warning("orphans.not-swept", extra={"error": str(error)})
        except Exception as error:  # noqa: BLE001 - the top of a loop: others' processes do not end us
            failure = error
            _LOG.exception("orphans.sweep-failed")
        self._sweep_alarm.note(failure)
        if before != (self.live_vms(), self._orphans.found):
            self._on_live_change()

    def _on_change(self, key: Key, raw: Raw | None) -> None:
        """Hand over; an object that is gone wakes its worker, which looks for it."""
        if raw is not None:
            self._arrived.put_nowait(raw)
            return
        for uid, worker in self._workers.items():
            metadata = worker.placement.metadata
            if (metadata.namespace, metadata.name) == key:
                self._wakes[uid].set()

    def _take_in(self, raw: Raw, group: asyncio.TaskGroup) -> None:
        try:
            placement = VMPlacement.model_validate(raw)
        except ValidationError as error:
            _LOG.error(
                "placement.unreadable",
                extra={"placement": raw["metadata"]["name"], "error": str(error)},
            )
            return
        uid = placement.metadata.uid
        worker = self._workers.get(uid)
        if worker is not None:
            worker.placement = placement
            self._wakes[uid].set()
            return
        record = self._orphans.records.pop(uid, None)
        worker = PlacementWorker(self._node, placement, record)
        worker.hold_claim()
        if record is None and worker.is_live:
            self._on_live_change()
        self._workers[uid], self._wakes[uid] = worker, asyncio.Event()
        group.create_task(self._work(uid, worker), name=f"placement-{uid}")

    async def _work(self, uid: str, worker: PlacementWorker) -> None:
        """Step, report, wait; an error of one placement stops no other."""
        while not self._is_gone(uid, worker):
            self._wakes[uid].clear()
            was_live = worker.is_live
            try:
                pause = await worker.step()
                await self._report(worker)
            except ApiError as error:
                _LOG.warning("placement.not-reported", extra={"uid": uid, "error": str(error)})
                pause = AFTER_ERROR_SECONDS
            except Exception:  # noqa: BLE001 - the top of a loop
                _LOG.exception("placement.step-failed", extra={"uid": uid})
                pause = AFTER_ERROR_SECONDS
            if worker.is_live != was_live:
                self._on_live_change()
            if pause > 0:
                await self._rest(uid, worker, pause)
        self._leave(uid, worker)

    async def _rest(self, uid: str, worker: PlacementWorker, pause: float) -> None:
        """Wait for so long, or until the object is another, or the VM ended meanwhile."""
        try:
            await first_of(self._wakes[uid].wait(), worker.stirs(), limit_s=pause)
        except Exception:  # noqa: BLE001 - the top of a loop
            _LOG.exception("placement.rest-failed", extra={"uid": uid})
            await asyncio.sleep(AFTER_ERROR_SECONDS)

    def _leave(self, uid: str, worker: PlacementWorker) -> None:
        """The object is gone for good; whether its VM is too, is looked for, never assumed."""
        if worker.is_live:
            _LOG.warning("placement.vanished", extra={"uid": uid})
        worker.let_go()
        del self._workers[uid], self._wakes[uid]
        self._told.pop(uid, None)
        self._orphans.records[uid] = worker.record
        self._sweep()

    def _is_gone(self, uid: str, worker: PlacementWorker) -> bool:
        """Say whether the object is gone for good: its UID never comes back."""
        metadata = worker.placement.metadata
        held = self._reflector.store.get((metadata.namespace, metadata.name))
        absent = held is None or held["metadata"]["uid"] != uid
        return absent and self._reflector.synced.is_set()

    async def _report(self, worker: PlacementWorker) -> None:
        """Write the status if it says anything new, then let go of what is ended.

        The truth without the VM is published first: whoever sees the object gone must not
        read of a VM that lives.
        """
        placement = worker.placement
        metadata = placement.metadata
        basis = (placement, worker.record, worker.prepared, worker.trouble)
        told = self._told.get(metadata.uid, ())
        if not _are_same(basis, told) and await self._report_status(worker):
            self._told[metadata.uid] = basis
        if worker.releasable:
            await self._withdraw(metadata.uid)
            kept = [one for one in worker.placement.metadata.finalizers if one != FINALIZER]
            version = worker.placement.metadata.resource_version
            await self._patch(
                worker,
                {"metadata": {"uid": metadata.uid, "resourceVersion": version, "finalizers": kept}},
                None,
            )

    async def _report_status(self, worker: PlacementWorker) -> bool:
        """Write the status if it says anything new; say whether there was nothing to write."""
        status, placement = worker.status(), worker.placement
        if status == placement.status.render():
            return True
        # Of a status the API server checks no UID: the version keeps it from a successor.
        patch: dict[str, Any] = {
            "metadata": {"resourceVersion": placement.metadata.resource_version},
            "status": replacing(VMPlacementStatus, status),
        }
        await self._patch(worker, patch, "status")
        return False

    async def _patch(self, worker: PlacementWorker, patch: Raw, subresource: str | None) -> None:
        metadata = worker.placement.metadata
        try:
            raw = await self._client.merge_patch(
                VMPLACEMENTS, metadata.name, patch, metadata.namespace, subresource=subresource
            )
        except (NotFoundError, ConflictError, InvalidError) as error:
            # Gone, replaced or changed meanwhile: the watch brings what is true now.
            _LOG.info("placement.patch-refused", extra={"uid": metadata.uid, "error": str(error)})
            return
        if raw["metadata"]["uid"] == metadata.uid:
            worker.placement = VMPlacement.model_validate(raw)


def _are_same(ones: Sequence[object], others: Sequence[object]) -> bool:
    """Say whether these are the very same objects: each is replaced when anything changes."""
    return len(ones) == len(others) and all(map(operator.is_, ones, others))
