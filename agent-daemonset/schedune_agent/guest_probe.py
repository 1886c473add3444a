"""Ask a guest, in the way that its placement says, whether it is ready."""

import re
from dataclasses import dataclass
from typing import Final

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import PortForward, Probe
from schedune_agent.system.place import network_of
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.greeting import is_greeted
from schedune_agent.vmm.guest_agent import agent_socket, ask_agent
from schedune_agent.vmm.port import Vm, VmPaths
from schedune_agent.vmm.qemu.networks import ANY_ADDRESS

_ANSWER_SECONDS: Final = 3.0
_KERNEL: Final = re.compile(rb"Linux version |^\[ *[0-9]+\.[0-9]{6}\] ", re.MULTILINE)
"""How a kernel's own lines begin; where firmware boots it, that and a boot loader write too."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows, now, that a VM is as ready as was asked."""

    rung: str
    told: str
    boot_id: str | None = None
    addresses: tuple[str, ...] | None = None
    """Of the guest; None: nobody was asked for them."""


@dataclass(frozen=True, slots=True)
class GuestProbe:
    """How one VM's guest is asked."""

    launch: Launch
    paths: VmPaths
    console: ConsoleLog
    forward_address: str

    @property
    def forwards(self) -> list[str]:
        """Where ports of the guest are reached through the node, if it says by which address."""
        if self.forward_address == ANY_ADDRESS:
            return []
        return [f"{self.forward_address}:{one.node_port}" for one in self._ports]

    @property
    def _ports(self) -> list[PortForward]:
        return [one for net in self.launch.networks if net.user for one in net.user.port_forwards]

    @property
    def lacks(self) -> str:
        """What is missing while the guest gives no proof."""
        match self.launch.readiness.probe:
            case Probe.VIRTIO_SERIAL | Probe.VSOCK:
                return "the guest answered no nonce"
            case Probe.GUEST_AGENT:
                return "no guest agent answered"
            case Probe.TCP:
                return f"nothing greeted on port {self.launch.readiness.port} of the guest"
            case Probe.CONSOLE:
                return f"the console does not show '{self.launch.readiness.marker}'"

    async def ask(self, vm: Vm) -> Proof | None:
        """Return the proof; None: there is none, now."""
        match self.launch.readiness.probe:
            case Probe.VIRTIO_SERIAL | Probe.VSOCK:
                return await self._nonce(vm)
            case Probe.GUEST_AGENT:
                return await self._agent(vm)
            case Probe.TCP:
                return await self._greeting(vm)
            case Probe.CONSOLE:
                return await self._marker(vm)

    def sees_kernel(self) -> bool:
        """Say whether the console shows that a kernel runs (R3), as far as it tells at all."""
        own = self.console.own()
        return bool(own.strip() if self.launch.kernel else _KERNEL.search(own))

    async def _nonce(self, vm: Vm) -> Proof | None:
        boot_id = await vm.ask_guest(_ANSWER_SECONDS)
        told = f"the guest answered a nonce (R4), its boot id is {boot_id}"
        return Proof("R4", told, boot_id) if boot_id else None

    async def _agent(self, vm: Vm) -> Proof | None:
        pid = vm.handle.identity.pid
        answer = await ask_agent(agent_socket(self.paths), pid=pid, timeout_s=_ANSWER_SECONDS)
        if answer is None:
            return None
        return Proof("R4", "the guest agent answered (R4)", addresses=answer.addresses)

    async def _greeting(self, vm: Vm) -> Proof | None:
        place = network_of(vm.handle.identity.pid)
        for one in self._ports:
            if one.protocol == "TCP" and one.guest_port == self.launch.readiness.port:
                there = self.forward_address, one.node_port
                if await is_greeted(*there, place, timeout_s=_ANSWER_SECONDS):
                    return Proof("R5", f"port {one.guest_port} of the guest greets (R5)")
        return None

    async def _marker(self, vm: Vm) -> Proof | None:
        """Look for the text: it proves how far the guest got, and not who wrote it."""
        await vm.keep_console()
        marker = self.launch.readiness.marker or ""
        if marker.encode() not in self.console.own():
            return None
        return Proof("R3", f"the console shows '{marker}' (R3)")
