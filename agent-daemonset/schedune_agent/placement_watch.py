"""Watching a VM that was started: how it is, and whether its guest is as ready as was asked."""

import asyncio
import time
from typing import Final

from schedune.api.vmplacement import ReadinessStatus, TraceEntry
from schedune.api.vmworkload import Probe
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.observation import Observation, Sighting
from schedune.lifecycle.transitions import move, note
from schedune_agent.guest_probe import GuestProbe, Proof
from schedune_agent.placement_base import HEARTBEAT_SECONDS, WATCH_SECONDS, Move, S
from schedune_agent.placement_recovery import PlacementRecovery
from schedune_agent.vmm.guest_agent import MOST_ADDRESSES
from schedune_agent.vmm.port import Vm, VmmError

_WAIT_FOR_GUEST_SECONDS: Final = 0.3
_TALKING_SECONDS: Final = 2.0
"""How soon a VM that is well is looked at again whose guest writes on its console."""
_QUIET_SECONDS: Final = HEARTBEAT_SECONDS
"""How soon one that wrote nothing is: of fifty, each look costs what the agent may use.

Until then QEMU's ring holds 26 KB/s, twice what a serial line of 115,200 baud takes.
"""


class PlacementWatch(PlacementRecovery):
    """A placement whose VM is watched."""

    async def _watch(self) -> float:
        """Look at the VM; one that was just found again is asked before it counts as ready."""
        is_found = self._vm is None or not self._is_proved or self.record.state is S.UNKNOWN
        if is_found:
            pause = await self._adopt()
            if pause is not None:
                return pause
        vm = self._vm
        if vm is None:
            return 0.0
        if not vm.handle.is_alive:
            return self._found_dead(vm)
        pause = 0.0
        try:
            guest_end = await vm.guest_end()
            if guest_end is None:
                climbs = is_found or self.record.state is S.STARTING
                pause = await (self._climb(vm) if climbs else self._ask_now_and_then(vm))
            if self._vm is vm and await vm.keep_console():
                pause = min(pause, _TALKING_SECONDS)
            self._is_at_rest = pause >= _TALKING_SECONDS
        except VmmError as error:
            return self._unproved(Sighting.UNRESPONSIVE, error)
        return pause if guest_end is None else await self._end_vmm(vm, guest_end)

    async def stirs(self) -> None:
        """Return when it is to be looked at before its time: its disks are made, a VM stirs.

        Only one that was well at the last look; whatever else was found then has its own
        pause, which nothing shortens.
        """
        if not self._maker.is_idle:
            await self._maker.wait()
        elif self._vm is None or not self._is_at_rest:
            await asyncio.Event().wait()
        else:
            await self._vm.stirs()
            # Whoever says so again and again is looked at no more often for it.
            await asyncio.sleep(self._stirred_at + WATCH_SECONDS - time.monotonic())
            self._stirred_at = time.monotonic()

    @property
    def _guest(self) -> GuestProbe:
        launch = self.placement.spec.launch
        address = self._node.settings.port_forward_address
        return GuestProbe(launch, self._paths, self._console, address)

    async def _proof(self, vm: Vm) -> Proof | None:
        """Return what proves the readiness that was asked for; None: nothing does, now.

        Raises:
            VmmError: the VMM does not answer.
        """
        if not await vm.is_running():
            return None
        readiness = self.placement.spec.launch.readiness
        if readiness.level == "Backend":
            return Proof("R2", "the VMM says that the guest runs (R2)")
        if readiness.probe is Probe.CONSOLE and self.record.was_ready:
            # What a console showed it does not show again.
            return Proof("R3", "the console has shown its text (R3)")
        self._see_rung()
        return await self._guest.ask(vm)

    def _see_rung(self) -> None:
        """Write down how far a guest is that is not ready yet."""
        held = self.record.readiness
        if held is not None and held.rung >= "R3":
            return
        rung = "R3" if self._guest.sees_kernel() else "R2"
        if held is None or held.rung < rung:
            self._keep(readiness=ReadinessStatus(rung=rung, since=self._node.clock()))

    async def _climb(self, vm: Vm) -> float:
        """Look for the proof: only with it does a VM begin, or go on, to count as ready."""
        self._asked_at, self._misses = time.monotonic(), 0
        proof = await self._proof(vm)
        if proof is not None:
            self._see_ready(proof)
            return WATCH_SECONDS
        stands = await vm.resume()
        asks_guest = self.placement.spec.launch.readiness.level == "Guest"
        lacks = self._guest.lacks if asks_guest else "the VMM does not say that it runs"
        lacks = stands.message if stands else lacks
        stalled = asks_guest and not self._guest.sees_kernel()
        found = self._judge(Observation(Sighting.ALIVE, is_stalled=stalled, detail=lacks))
        if found.ends_process and found.reason is not None:
            return await self._fail(found.reason)
        if found.state is S.RUNNING:
            told = "not when it was asked after it was found again"
            self._see_silence(stands or Reason(codes.GUEST_SILENT, told))
            return WATCH_SECONDS
        if found.restarts_clock and found.reason is not None:
            self._started_at = time.monotonic()
            self._move(found.state, Reason(found.reason.row, "the VMM answers again"))
        return _WAIT_FOR_GUEST_SECONDS

    async def _ask_now_and_then(self, vm: Vm) -> float:
        pause = _QUIET_SECONDS if self.record.state is S.RUNNING else WATCH_SECONDS
        left_s = HEARTBEAT_SECONDS - (time.monotonic() - self._asked_at)
        if left_s > 0:
            return min(pause, max(left_s, _TALKING_SECONDS))
        self._asked_at = time.monotonic()
        proof = await self._proof(vm)
        self._misses = 0 if proof else self._misses + 1
        if proof is not None:
            self._see_ready(proof)
            return pause
        stands = await vm.resume()
        if stands is not None:
            self._see_silence(stands)
            return WATCH_SECONDS
        found = self._judge(Observation(Sighting.ALIVE, missed_answers=self._misses))
        if found.state is S.DEGRADED and found.reason is not None:
            self._see_silence(found.reason)
        return WATCH_SECONDS

    def _see_silence(self, why: Reason) -> None:
        """A guest that was ready gives no proof: it is Degraded, and is never ended for it."""
        moves: list[Move] = [(S.DEGRADED, why)]
        if self.record.state in (S.STARTING, S.UNKNOWN):
            # The table has no shorter way; both moves are written, and told, as one.
            moves.insert(0, (S.RUNNING, Reason(codes.VMM_STARTED, "the VMM answers again")))
        if self.record.state is not S.DEGRADED:
            self._walk(*moves)
        elif why.row is not codes.GUEST_SILENT and why.row.code != self._standing().told:
            self._note(why)

    def _see_ready(self, proof: Proof) -> None:
        """Write down what the proof changes; a new boot id is how a reboot shows."""
        now, state, entries = self._node.clock(), self.record.state, list[TraceEntry]()
        if state is not S.RUNNING:
            entries.append(move(state, S.RUNNING, Reason(codes.GUEST_READY, proof.told), now))
        held = self.record.readiness
        if held and proof.boot_id and held.guest_boot_id not in (None, proof.boot_id):
            entries.append(note(S.RUNNING, Reason(codes.GUEST_REBOOTED), now))
        fresh = ReadinessStatus(rung=proof.rung, since=now, guest_boot_id=proof.boot_id)
        if held is not None and (held.rung, held.guest_boot_id) == (proof.rung, proof.boot_id):
            fresh = held
        addresses = self._addresses(proof)
        if entries or fresh != held or addresses != self.record.addresses:
            self._write_down(entries, readiness=fresh, addresses=addresses)

    def _addresses(self, proof: Proof) -> list[str]:
        """Return how the guest is reached: what it said last, and forwards to it."""
        told = self.record.addresses if proof.addresses is None else proof.addresses
        own = [one for one in told if one not in self._guest.forwards]
        return [*self._guest.forwards, *own][:MOST_ADDRESSES]
