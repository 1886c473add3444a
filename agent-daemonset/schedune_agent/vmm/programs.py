"""Which VMM a program is: by the name of its file, or since the node launches just that one.

By name and not by inode: a package that is upgraded replaces the file under the VMs that
run, and their program stays what it was.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from schedune.api.nodetruth import BackendFact
from schedune.api.vmworkload import Backend
from schedune_agent.record import LaunchRecord

_RELEASE: Final = r"([-_.]v?[0-9][\w.+-]*)?"
_MACHINE: Final = "(-x86_64|-aarch64)?"
_NAMES: Final = {
    re.compile(r"\.?qemu-system-[\w.-]+|qemu-kvm", re.ASCII): Backend.QEMU,
    re.compile(rf"cloud-hypervisor(-static)?{_MACHINE}{_RELEASE}", re.ASCII):
        Backend.CLOUD_HYPERVISOR,
    re.compile(rf"firecracker{_MACHINE}{_RELEASE}", re.ASCII): Backend.FIRECRACKER,
}  # fmt: skip
"""As distributions and the projects' own releases name them, often with the version."""


def backend_of(executable: str) -> Backend | None:
    """Return which VMM a program is by its file's name; None: it is none that we know."""
    name = Path(executable).name
    return next((backend for form, backend in _NAMES.items() if form.fullmatch(name)), None)


@dataclass(frozen=True, slots=True)
class Programs:
    """The VMMs of one node, under whatever names it has them."""

    names: frozenset[tuple[str, Backend]] = field(default_factory=frozenset)
    users: frozenset[int] = field(default_factory=frozenset)
    """As whom they were launched, beside those that are set aside now."""

    @classmethod
    def of(cls, facts: Iterable[BackendFact]) -> Self:
        """Return what the node's facts tell of."""
        return cls(frozenset((Path(one.path).name, one.name) for one in facts))

    def with_launched(self, record: LaunchRecord | None) -> "Programs":
        """Return these, and what was launched for a placement by its record."""
        if record is None or record.binary is None:
            return self
        users = () if record.user is None else (record.user,)
        names = self.names | {(Path(record.binary).name, record.backend)}
        return Programs(names, self.users.union(users))

    def backend_of(self, executable: str) -> Backend | None:
        """Return which VMM a program is here; None: it is none."""
        name = Path(executable).name
        known = (kind for launched, kind in sorted(self.names) if launched == name)
        return next(known, None) or backend_of(executable)
