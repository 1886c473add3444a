"""An administrator's orders about orphans: carried out on the process that is proved anew."""

import logging
import signal
from collections.abc import Callable, Sequence
from typing import Final

from schedune.api.nodetruth import OrphanAction, OrphanOrder
from schedune.api.text import shorten
from schedune.codes import recovery
from schedune.codes.row import Reason
from schedune.lifecycle.orphan_orders import Deed, OrderJudgement, judge_order, subject_of
from schedune_agent.orphans import Sweep
from schedune_agent.record import RecordedProcess, RecordError
from schedune_agent.system import processes
from schedune_agent.system.processes import ProcessHandle

_STEP_SECONDS: Final = 2.0
_MOST: Final = 64
_LOG: Final = logging.getLogger(__name__)

Look = Callable[[], Sweep]
"""Sweep now, and return what was found."""
Adopt = Callable[[str, RecordedProcess], bool]
"""Record a process as a placement's VM; say whether the placement is there to take it."""


class OrphanOrders:
    """Carries out orders, each once, and tells what came of it as long as it stands."""

    def __init__(self, orders: Callable[[], Sequence[OrphanAction]], boot_id: str) -> None:
        self.told: list[OrphanOrder] = []
        self._orders = orders
        self._boot_id = boot_id
        self._done: dict[OrphanAction, Reason] = {}

    async def carry_out(self, look: Look, adopt: Adopt) -> None:
        """Judge every order, and do what is due; what was done is looked at before the next."""
        sweep = look()
        orders = list(dict.fromkeys(self._orders()))[:_MOST]
        self._done = {one: reason for one, reason in self._done.items() if one in orders}
        told = []
        for order in orders:
            reason = self._done.get(order)
            if reason is None:
                judged = judge_order(order, sweep.found, sweep.verdicts, sweep.current)
                reason = await self._do(judged, adopt)
                if judged.deed is not Deed.NOTHING:
                    self._log(order, reason)
                    sweep = look()
            told.append(_describe(order, reason))
        self.told = told

    async def _do(self, judged: OrderJudgement, adopt: Adopt) -> Reason:
        if judged.deed is Deed.NOTHING:
            return judged.reason
        subject = subject_of(judged.order)
        try:
            handle = self._prove(judged)
        except PermissionError as error:
            adopts = judged.deed is Deed.ADOPT
            row = recovery.ORPHAN_ORDER_REFUSED if adopts else recovery.ORPHAN_NOT_ENDED
            return Reason(row, str(error), subject=subject)
        if handle is None:
            return Reason(recovery.ORPHAN_ORDER_STALE, "it has just ended", subject=subject)
        try:
            if judged.deed is Deed.ADOPT:
                return self._adopt(judged, handle, adopt)
            return await self._terminate(judged, handle)
        finally:
            handle.close()

    def _prove(self, judged: OrderJudgement) -> ProcessHandle | None:
        """Take hold of exactly the process that the order names; None: it is gone.

        Raises:
            PermissionError: it may not be looked at.
        """
        found = processes.read_identity(judged.key.pid, self._boot_id)
        if found is None or (found.start_time, found.boot_id) != (
            judged.key.start_time,
            judged.key.boot_id,
        ):
            return None
        return processes.prove(found, self._boot_id)

    def _adopt(self, judged: OrderJudgement, handle: ProcessHandle, adopt: Adopt) -> Reason:
        uid = judged.placement_uid
        try:
            if adopt(uid, RecordedProcess.of(handle.identity)):
                self._done[judged.order] = judged.reason
                return judged.reason
            told = f"placement {uid} is gone, or has found its VM"
        except RecordError as error:
            told = str(error)
        return Reason(recovery.ORPHAN_ORDER_REFUSED, told, subject=subject_of(judged.order))

    async def _terminate(self, judged: OrderJudgement, handle: ProcessHandle) -> Reason:
        subject = subject_of(judged.order)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                handle.send(number)
            except PermissionError as error:
                return Reason(recovery.ORPHAN_NOT_ENDED, str(error), subject=subject)
            if await handle.wait_gone(_STEP_SECONDS):
                handle.reap()
                self._done[judged.order] = judged.reason
                return judged.reason
        return Reason(recovery.ORPHAN_NOT_ENDED, "it lives on after SIGKILL", subject=subject)

    @staticmethod
    def _log(order: OrphanAction, reason: Reason) -> None:
        _LOG.warning(
            "orphan.order",
            extra={"pid": order.pid, "action": order.action, "code": reason.row.code},
        )


def _describe(order: OrphanAction, reason: Reason) -> OrphanOrder:
    return OrphanOrder(
        pid=order.pid,
        start_time=order.start_time,
        boot_id=order.boot_id,
        action=order.action,
        code=reason.row.code,
        message=shorten(reason.message, 1024),
    )
