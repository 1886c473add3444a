"""What the kernel offers for keeping VMs apart, and what the agent may use of it."""

import errno
import os
import re
from pathlib import Path
from typing import Final, Literal

from schedune.api.nodetruth import CapabilityState
from schedune.codes import security_probes as rows
from schedune.codes.row import Row
from schedune.launch.capabilities import SECCOMP
from schedune.launch.traits import CGROUPS
from schedune_agent.probes import asking_child
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.reading import attempt, unreadable
from schedune_agent.system import cgroup
from schedune_agent.system.host_files import HostFiles

LANDLOCK: Final = "kernel_landlock_supported"
NAMESPACES: Final = "kernel_namespaces_supported"
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_VERSION: Final = 1
_NEEDED_ACTIONS: Final = ("kill_process", "trap", "errno", "allow")
"""What the filters of the three VMMs use."""
_NEEDED_NAMESPACES: Final = ("mnt", "net", "pid", "user")
_SWITCHES: Final = (
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
)
"""Files and the content that forbids user namespaces; each is optional."""


class SecurityFamily:
    """Seccomp, Landlock, namespaces, control groups."""

    name = "security"
    deadline_s = 2.0
    answers_for = (SECCOMP, LANDLOCK, NAMESPACES, CGROUPS)

    def __init__(self, files: HostFiles, containment: Literal["Auto", "Session"] = "Auto") -> None:
        self._files = files
        self._containment = containment

    async def __call__(self) -> Part:
        """Look at each; what cannot be read is unknown alone."""
        files = self._files
        return Part(
            answers=[
                attempt(SECCOMP, "/proc/sys/kernel/seccomp", lambda: _seccomp(files)),
                attempt(LANDLOCK, "/sys/kernel/security/lsm", lambda: _landlock(files)),
                attempt(NAMESPACES, "/proc/self/ns", lambda: _namespaces(files)),
                attempt(CGROUPS, "/sys/fs/cgroup", self._cgroups),
            ]
        )

    def _cgroups(self) -> Answer:
        """Say whether VMs get groups of their own: by making ours, or on a recorded tree by rights.

        Firecracker's jailer and our own launches work with both versions of control groups.
        """
        root = self._files.at("/sys/fs/cgroup")
        found = cgroup.hierarchies(root)
        if not found:
            return _no(CGROUPS, rows.CAP_CGROUPS_MISSING, "/sys/fs/cgroup")
        version = _version(root, found)
        if self._containment == "Session":
            seen = "the agent's settings say `containment: Session`"
            return _denied(CGROUPS, seen, version)
        makes = cgroup.can_contain(root) if self._files.is_live else _may_write(found)
        if not makes:
            return _denied(CGROUPS, f"{version}, {len(found)} hierarchies", version)
        source, row = "/sys/fs/cgroup", rows.CAP_CGROUPS_READY
        return Answer(CGROUPS, CapabilityState.SUPPORTED, row, "", version, source, "mkdir")


def _version(root: Path, found: list[Path]) -> str:
    if found == [root]:
        return "v2"
    has_v2 = any((one / "cgroup.controllers").exists() for one in found)
    return "hybrid" if has_v2 else "v1"


def _may_write(found: list[Path]) -> bool:
    return all(os.access(one, os.W_OK | os.X_OK) for one in found)


def _denied(name: str, seen: str, version: str) -> Answer:
    state, row = CapabilityState.UNAVAILABLE, rows.CAP_CGROUPS_DENIED
    return Answer(name, state, row, seen, version, "/sys/fs/cgroup", "mkdir")


def _seccomp(files: HostFiles) -> Answer:
    path = "/proc/sys/kernel/seccomp/actions_avail"
    actions = files.read_or(path).split()
    if not actions:
        return _no(SECCOMP, rows.CAP_SECCOMP_MISSING, path, f"{path} is missing or empty")
    if "allow" not in actions:
        # Every kernel with filters allows: this is no list of actions.
        return unreadable(SECCOMP, f"{path} lists {' '.join(actions)[:64]!r}", path)
    missing = [one for one in _NEEDED_ACTIONS if one not in actions]
    if missing:
        return _no(SECCOMP, rows.CAP_SECCOMP_MISSING, path, f"without {', '.join(missing)}")
    return _yes(SECCOMP, rows.CAP_SECCOMP_SUPPORTED, path)


def _landlock(files: HostFiles) -> Answer:
    """Ask the kernel for its ABI; a recorded tree only knows whether Landlock was switched on."""
    if not files.is_live:
        path = "/sys/kernel/security/lsm"
        if "landlock" in files.read(path).split(","):
            return _yes(LANDLOCK, rows.CAP_LANDLOCK_SUPPORTED, path)
        return _no(LANDLOCK, rows.CAP_LANDLOCK_MISSING, path, f"{path} does not name it")
    source = "landlock_create_ruleset"
    said = asking_child.answer(
        {
            "do": "syscall",
            "number": _LANDLOCK_CREATE_RULESET,
            "arguments": [0, 0, _LANDLOCK_VERSION],
        }
    )
    if "value" in said:
        row, abi = rows.CAP_LANDLOCK_SUPPORTED, str(said["value"])
        return Answer(LANDLOCK, CapabilityState.SUPPORTED, row, "", abi, source, "syscall")
    if said["errno"] in (errno.ENOSYS, errno.EOPNOTSUPP):
        return _no(LANDLOCK, rows.CAP_LANDLOCK_MISSING, source, str(said["error"]))
    return unreadable(LANDLOCK, f"{source}: {said['error']}", source)


def _namespaces(files: HostFiles) -> Answer:
    path = "/proc/self/ns"
    held = files.names(path)
    if not held:
        return unreadable(NAMESPACES, f"{path} is empty or missing", path)
    missing = [one for one in _NEEDED_NAMESPACES if one not in held]
    if missing:
        return _no(NAMESPACES, rows.CAP_NAMESPACES_MISSING, path, ", ".join(missing))
    for setting, forbids in _SWITCHES:
        said = files.read_or(setting)
        if said and not re.fullmatch(r"\d{1,10}", said):
            return unreadable(NAMESPACES, f"{setting} is {said[:32]!r}", setting)
        if said == forbids:
            row, seen = rows.CAP_NAMESPACES_ROOT_ONLY, f"{setting} is {said}"
            return Answer(NAMESPACES, CapabilityState.SUPPORTED, row, seen, "0", setting, "read")
    row, most = rows.CAP_NAMESPACES_SUPPORTED, files.read_or(_SWITCHES[0][0]) or None
    return Answer(NAMESPACES, CapabilityState.SUPPORTED, row, "", most, path, "list")


def _yes(name: str, row: Row, source: str) -> Answer:
    return Answer(name, CapabilityState.SUPPORTED, row, "", None, source, "read")


def _no(name: str, row: Row, source: str, seen: str = "") -> Answer:
    return Answer(name, CapabilityState.UNSUPPORTED, row, seen or source, None, source, "read")
