"""One placement on this node: from the object to a running VM and to its proved end.

Level triggered: every step looks at the object, the record and the world, and does the
next thing. Killed anywhere, the next agent goes on from the record.
"""

import contextlib
import logging
from typing import Final

from schedune.api.vmworkload import LaunchMode
from schedune.codes import disks
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.observation import Sighting
from schedune_agent.placement_base import HEARTBEAT_SECONDS, WATCH_SECONDS, S
from schedune_agent.placement_launch import PlacementLaunch
from schedune_agent.placement_process import UnprovedError
from schedune_agent.placement_watch import PlacementWatch
from schedune_agent.record import RecordError
from schedune_agent.system.patience import LaterError
from schedune_agent.vmm.disk_files import DiskGoneError

_LOG: Final = logging.getLogger(__name__)
AFTER_ERROR_SECONDS: Final = 2.0


class PlacementWorker(PlacementLaunch, PlacementWatch):
    """Carries out one placement."""

    async def step(self) -> float:
        """Do the next thing; return after how many seconds to look again."""
        self._is_at_rest = False
        if self.record.is_of_newer_agent:
            return HEARTBEAT_SECONDS
        try:
            if self.trouble is not None:
                with contextlib.suppress(RecordError):
                    self._keep()
            try:
                return await self._next()
            except LaterError as error:
                return self._ask_later(error)
        except RecordError as error:
            _LOG.error(
                "placement.not-recorded",
                extra={"uid": self.record.placement_uid, "error": str(error)},
            )
            return AFTER_ERROR_SECONDS

    def _ask_later(self, error: LaterError) -> float:
        """Tell once what is waited for; it goes on where it stands."""
        row = disks.DISK_GONE if isinstance(error, DiskGoneError) else codes.PREPARATION_WAITS
        reason, last = Reason(row, str(error)), self.record.trace[-1] if self.record.trace else None
        # What gives no answer stands before the colon; how it gives none may be another each time.
        subject = reason.message.partition(": ")[0]
        if last is None or last.code != row.code or not last.message.startswith(subject):
            self._note(reason)
        return AFTER_ERROR_SECONDS

    async def _next(self) -> float:
        if self.record.ended is not None:
            self._clean()
            self._settle_disks()
            return HEARTBEAT_SECONDS if self._maker.is_idle else WATCH_SECONDS
        if self.placement.spec.mode is not LaunchMode.EXECUTE:
            return await self._prepare_only()
        try:
            pause = self._recover_lost() if self._is_lost else None
            return await self._carry_on() if pause is None else pause
        except PermissionError as error:
            return self._unproved(Sighting.UNSEEN, error)
        except UnprovedError as error:
            return self._unproved(error.sighting, error)

    async def _carry_on(self) -> float:
        self.is_down = False
        if self._stop_wanted():
            return await self._stop()
        if self._node.shutdown is not None and self._node.shutdown.is_ordered:
            return await self._shut_down()
        match self.record.state:
            case None | S.PENDING | S.EXITED:
                return await self._admit()
            case S.PREPARING | S.VALIDATED | S.LAUNCHING:
                return await self._launch()
            case S.FAILED | S.TERMINATED:
                # An agent that wrote the state first was killed before it wrote the end.
                self._end(codes.EXIT_UNKNOWN)
                return 0.0
            case _:
                return await self._watch()
