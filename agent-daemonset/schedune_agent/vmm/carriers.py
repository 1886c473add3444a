"""The processes that carry a placement's marker: looked at, and not judged.

What they are worth is told by ``schedune.lifecycle.carriers``.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schedune.lifecycle.carriers import Carrier
from schedune_agent.settings import AgentSettings
from schedune_agent.system import processes, sockets
from schedune_agent.system.processes import ProcessIdentity
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.markers import Mark, find_marked, mark_of, names_path
from schedune_agent.vmm.process import paths_of
from schedune_agent.vmm.programs import Programs


@dataclass(frozen=True, slots=True)
class CarrierSearch:
    """Looks for one placement's carriers."""

    settings: AgentSettings
    boot_id: str
    programs: Programs
    placement_uid: str

    def find(self) -> dict[Carrier, ProcessIdentity]:
        """Return all of them, with who each is: to be proved again before it is acted on.

        Raises:
            PermissionError: there is one that may not be looked at; it is not gone.
        """
        return dict(self._look_at_all())

    def _look_at_all(self) -> Iterator[tuple[Carrier, ProcessIdentity]]:
        for pid in find_marked(self.placement_uid, self.settings.cluster_uid):
            found = self.look_at(pid)
            if found is not None:
                yield found

    def look_at(self, pid: int) -> tuple[Carrier, ProcessIdentity] | None:
        """Return what one process is; None: it is gone, or is none of them any more.

        Who it is comes first: if it turns into another program meanwhile, the proof that
        follows does not hold.

        Raises:
            PermissionError: it may not be looked at; it is not gone.
        """
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            identity = processes.read_identity(pid, self.boot_id)
            argv = processes.command_line_of(pid)
            mark = mark_of(argv, self.placement_uid, self.settings.cluster_uid)
            if identity is not None and mark is not None:
                return self._describe(identity, argv, mark), identity
        return None

    def _describe(self, identity: ProcessIdentity, argv: Sequence[str], mark: Mark) -> Carrier:
        program, user = processes.executable_of(identity.pid), processes.user_of(identity.pid)
        if user is None:
            raise ProcessLookupError(f"pid {identity.pid} has just ended")
        return Carrier(
            key=identity.key,
            parent=processes.parent_of(identity.pid),
            image=f"{identity.executable} {identity.argv_digest}",
            program=Path(program).name,
            backend=self.programs.backend_of(program),
            marked=mark.backend,
            user=user,
            is_vms_user=self._is_vms_user(user),
            is_in_place=mark.is_in_place,
            is_here=self._is_here(identity.pid, argv, mark),
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
