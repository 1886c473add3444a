"""The processes that carry a placement's marker: looked at, and not judged.

What they are worth is told by ``schedune.lifecycle.carriers``.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schedune.lifecycle.carriers import Carrier
from schedune.lifecycle.orphans import ProcessKey
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes, sockets
from schedune_agent.system.processes import ProcessIdentity
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.markers import Mark, find_marked, mark_of, names_path
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import Programs


@dataclass(frozen=True, slots=True)
class Carriers:
    """All of one placement's carriers."""

    all: Sequence[Carrier]
    identities: Mapping[Carrier, ProcessIdentity]
    """Who each is, to be proved again before it is acted on; of hidden ones nobody knows."""


@dataclass(frozen=True, slots=True)
class CarrierSearch:
    """Looks for one placement's carriers."""

    settings: AgentSettings
    boot_id: str
    programs: Programs
    placement_uid: str

    def find(self) -> Carriers:
        """Return all of them, those that may not be looked at as well.

        Raises:
            PermissionError: of one not even that much may be seen; it is not gone.
        """
        pids = find_marked(self.placement_uid, self.settings.cluster_uid)
        found = [one for one in map(self.look_at, pids) if one is not None]
        identities = {carrier: who for carrier, who in found if who is not None}
        return Carriers([carrier for carrier, _ in found], identities)

    def look_at(self, pid: int) -> tuple[Carrier, ProcessIdentity | None] | None:
        """Return what one process is, and who; None: it is gone, or is none of them any more.

        Who one is that may not be looked at is not known.

        Raises:
            PermissionError: of it not even that much may be seen; it is not gone.
        """
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            try:
                return self._look_into(pid)
            except PermissionError:
                return self._look_from_outside(pid)
        return None

    def _look_into(self, pid: int) -> tuple[Carrier, ProcessIdentity] | None:
        """Look at all of a process.

        Who it is comes first: if it turns into another program meanwhile, the proof that
        follows does not hold.
        """
        identity = processes.read_identity(pid, self.boot_id)
        hidden = self._describe(identity.key) if identity is not None else None
        if identity is None or hidden is None:
            return None
        program = processes.executable_of(pid)
        seen = replace(
            hidden,
            is_hidden=False,
            image=f"{identity.executable} {identity.argv_digest}",
            program=Path(program).name,
            backend=self.programs.backend_of(program),
        )
        return seen, identity

    def _look_from_outside(self, pid: int) -> tuple[Carrier, None] | None:
        key = processes.read_key(pid, self.boot_id)
        hidden = self._describe(key) if key is not None else None
        return (hidden, None) if hidden is not None else None

    def _describe(self, key: ProcessKey) -> Carrier | None:
        """Tell what everybody may see of a process; None: it is no carrier."""
        argv = processes.command_line_of(key.pid)
        mark = mark_of(argv, self.placement_uid, self.settings.cluster_uid)
        user = processes.user_of(key.pid)
        if mark is None or user is None:
            return None
        return Carrier(
            key=key,
            parent=processes.parent_of(key.pid),
            image="",
            program="",
            backend=None,
            marked=mark.backend,
            user=user,
            is_vms_user=self._is_vms_user(user),
            is_in_place=mark.is_in_place,
            is_here=self._is_here(key.pid, argv, mark),
            is_hidden=True,
        )

    def _is_vms_user(self, user: int) -> bool:
        """Say whether VMs run as this user: one set aside for them, one of a record, or we."""
        users = self.settings.vm_users
        is_set_aside = users is not None and users.first <= user < users.first + users.count
        return is_set_aside or user in self.programs.users or user == os.geteuid()

    def _is_here(self, pid: int, argv: Sequence[str], mark: Mark) -> bool:
        """Say whether its control socket is ours: by the path it was given, or as it listens.

        The second also where the run directory was told to it by another name.
        """
        socket = adapter_of(mark.backend).control_socket(
            paths_of(self.settings, self.placement_uid)
        )
        if names_path(argv, socket):
            return True
        try:
            return sockets.listener_of(socket) == pid
        except OSError:
            return False
