"""Processes that look like VMs of ours and are not: whoever touches one breaks an invariant."""

import shutil
import subprocess
import uuid
from collections.abc import Sequence

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.settings import AgentSettings
from schedune_agent.vmm.markers import name_marker, option_marker
from schedune_agent.vmm.process import paths_of

_SHELL = shutil.which("sh") or "/bin/sh"
_CLAIM = Claim(vcpus=1, memory="128Mi", overhead_memory="104Mi")


class Bystanders:
    """Shells that wait for ever under the names and arguments of VMMs."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._alive: list[subprocess.Popen[bytes]] = []
        other, cluster = str(uuid.uuid4()), settings.cluster_uid
        self.add("qemu-system-x86_64", ["-name", "guest=nobody"])
        self.add("qemu-system-x86_64", ["-fw_cfg", option_marker(other, str(uuid.uuid4()))])
        self.add("qemu-system-x86_64", ["-fw_cfg", option_marker(other, cluster)])
        self.add("qemu-system-x86_64", ["-fw_cfg", f"{option_marker(other, cluster)}/x"])
        self.add(name_marker(Backend.FIRECRACKER, other, str(uuid.uuid4()), _CLAIM), [])

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._alive]

    def add_for(self, uid: str) -> None:
        """Add two that look like this placement's VM, but of another cluster, or unmarked."""
        socket = f"{paths_of(self._settings, uid).run}/q.sock"
        alike = ["-name", f"guest={uid},debug-threads=on", "-chardev", f"socket,path={socket}"]
        self.add("qemu-system-x86_64", alike)
        marker = option_marker(uid, str(uuid.uuid4()))
        self.add("qemu-system-x86_64", [*alike, "-fw_cfg", marker])

    def add(self, name: str, arguments: Sequence[str]) -> None:
        self._alive.append(
            subprocess.Popen(
                [name, "-c", "read -r _", *arguments], executable=_SHELL, stdin=subprocess.PIPE
            )
        )

    def fallen(self, dead: set[int]) -> list[int]:
        """Return those that are gone."""
        return [one.pid for one in self._alive if one.pid in dead or one.poll() is not None]

    def let_go(self, *, keep: int) -> None:
        """End the newest, so many stay."""
        for one in self._alive[keep:]:
            one.kill()
            one.wait()
        del self._alive[keep:]
