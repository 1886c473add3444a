"""The Persistent disks that this node holds: where they are is the authority on where VMs run.

This is the one place that says how they are laid out, below the agent's state directory:

    disks/NAMESPACE_UID/owner.json              {"namespace": NAME}
    disks/NAMESPACE_UID/WORKLOAD/DISK.raw
    disks/NAMESPACE_UID/WORKLOAD/DISK.qcow2

By the UID a namespace that was made anew under its old name gets none of the old one's
disks; the name is beside it for people and for the facts. The size is the guest's: that of a
raw file, and what the header of a qcow2 file says.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from schedune.api.nodetruth import CapabilityState, PersistentDiskFact
from schedune.codes import host_probes as codes
from schedune_agent.probes.family import Answer, Part
from schedune_agent.system.child import run_child

FOLDER: Final = "disks"
LISTED: Final = "persistent_disks_listed"
MOST: Final = 256
_CHILD: Final = Path(__file__).with_name("persistent_disks_child.py")
_DEADLINE_S: Final = 2.0


class PersistentDiskFamily:
    """Lists the disks; what is there and is none is told, for it may be a disk."""

    name = "persistent-disks"
    deadline_s = 3.0
    answers_for = (LISTED,)

    def __init__(self, state_directory: Path) -> None:
        self._folder = state_directory / FOLDER

    async def __call__(self) -> Part:
        """List them in a child: the file system may hang.

        Raises:
            OSError: the folder cannot be listed, so that nobody knows what is held.
        """
        listed = await self._list()
        found, strange = [], list(listed["strange"])
        for one in listed["disks"]:
            try:
                found.append(_fact(one))
            except (ValidationError, ValueError):
                strange.append(one["path"])
        more = listed["more"]
        state, row = CapabilityState.SUPPORTED, codes.CAP_DISKS_LISTED
        seen = ""
        if strange or more:
            state, row = CapabilityState.UNKNOWN, codes.CAP_DISKS_NOT_LISTED
            seen = ", ".join(sorted(strange)[:4]) or f"there are more than {MOST}"
        answer = Answer(LISTED, state, row, seen, source=str(self._folder), method="list")
        return Part(facts={"persistent_disks": found}, answers=[answer])

    async def _list(self) -> dict[str, Any]:
        argv = [sys.executable, "-I", "-S", str(_CHILD), str(self._folder), str(MOST)]
        result = await run_child(argv, deadline_s=_DEADLINE_S, limit=2**20)
        if result.timed_out:
            raise OSError(f"{self._folder} gave no answer within {_DEADLINE_S:g} s")
        try:
            listed = json.loads(result.stdout)
        except ValueError as error:
            words = result.stderr[-200:].decode(errors="replace").strip()
            raise OSError(f"{self._folder} cannot be listed: {words}") from error
        return dict(listed)


def _fact(found: dict[str, Any]) -> PersistentDiskFact:
    return PersistentDiskFact(
        namespace=found["namespace"],
        namespace_uid=found["namespaceUID"],
        workload=found["workload"],
        disk=found["disk"],
        size_bytes=found["size"],
    )
