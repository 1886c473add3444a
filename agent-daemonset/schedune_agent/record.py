"""The launch record: on disk, synced, before anything of a VM exists.

Whatever the agent made can be found again from it; what is not in it, the agent did
not make. The placement's status is a projection of the record.
"""

import contextlib
import json
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, ValidationError

from schedune.api.base import StatusModel
from schedune.api.vmplacement import (
    Claim,
    Ended,
    Exit,
    PlacementState,
    ReadinessStatus,
    Refusal,
    TraceEntry,
    VMMProcess,
)
from schedune.api.vmworkload import Backend
from schedune.lifecycle.restart import pause_before
from schedune.lifecycle.transitions import MAY_RUN
from schedune_agent.system.processes import ProcessIdentity
from schedune_agent.system.whole_files import sync_folder, write_whole

RECORDS: Final = "placements"
"""Folder in the state directory: everything of a placement that outlives its VM."""
_FILE: Final = "record.json"
_ASIDE: Final = "record.json.unreadable"
_LOG: Final = logging.getLogger(__name__)
_S: Final = PlacementState
_BEFORE_ADMISSION: Final = frozenset({None, _S.PENDING})
_READY: Final = frozenset({_S.RUNNING, _S.DEGRADED})
_UP: Final = frozenset({*_READY, _S.STARTING})
_LONG_RUN: Final = timedelta(minutes=10)
_TOLD_IN: Final = timedelta(seconds=1)
MOST_TRACE: Final = 64
FORMAT: Final = 1
"""Of the records that are written here: raised when an older agent would misread them."""


class RecordError(Exception):
    """A record that is not on disk for sure: nothing may go on from it."""


class RecordedProcess(StatusModel):
    """A process as it was proved when it was started."""

    pid: int
    start_time: int
    boot_id: str
    executable: tuple[int, int]
    argv_digest: str

    @classmethod
    def of(cls, found: ProcessIdentity) -> Self:
        """Return a proved process as a record holds it."""
        return cls(
            pid=found.pid,
            start_time=found.start_time,
            boot_id=found.boot_id,
            executable=found.executable,
            argv_digest=found.argv_digest,
        )

    def identity(self) -> ProcessIdentity:
        """Return it as the system package compares it."""
        return ProcessIdentity(
            self.pid, self.start_time, self.boot_id, self.executable, self.argv_digest
        )


class LaunchRecord(StatusModel):
    """Everything the agent knows of one placement."""

    record_format: int = FORMAT
    """Above ``FORMAT``: a newer agent wrote it, and nothing but its names is read."""
    placement_uid: str
    workload_uid: str
    namespace: str
    name: str
    claim: Claim | None = None
    """What it holds of the node; None: nothing, or an older agent wrote this."""
    user: int | None = None
    """Who its VM runs as; None: as the agent does."""
    state: PlacementState | None = None
    incarnation: int = 1
    quick_ends: int = 0
    """Ends in a row that came before ten minutes of readiness: the pause grows with them."""
    backend: Backend = Backend.QEMU
    """Which VMM runs it; an older agent, which wrote none, ran QEMU only."""
    binary: str | None = None
    """The program; None: the first of ``argv``."""
    argv: list[str] = Field(default_factory=list)
    grace_seconds: int = 30
    """What its guest is given to end in order; a worker takes it from the placement."""
    requests: list[str] = Field(default_factory=list)
    """What the VMM's API is asked once it answers."""
    process: RecordedProcess | None = None
    lost_process: VMMProcess | None = None
    """Of whom the status told when the record was lost, until found or proved dead."""
    survival: Literal["OutlivesAgent", "DiesWithAgent"] = "OutlivesAgent"
    """What an end of the agent means for its process."""
    version: str | None = None
    readiness: ReadinessStatus | None = None
    addresses: list[str] = Field(default_factory=list)
    """How the guest is reached, as it said last."""
    trace: list[TraceEntry] = Field(default_factory=list)
    guest_end: Exit | None = None
    """How this incarnation's guest ended, kept before its VMM is ended."""
    last_exit: Exit | None = None
    ended: Ended | None = None
    refusal: Refusal | None = None

    @property
    def is_of_newer_agent(self) -> bool:
        """Say whether a newer agent wrote it: it is left as it is, and so is its VM."""
        return self.record_format > FORMAT

    @property
    def may_run(self) -> bool:
        """Say whether a VM of it runs, or may: unknown is not gone."""
        told = self.process is not None or self.lost_process is not None
        return self.ended is None and (told or self.state in MAY_RUN)

    @property
    def has_run(self) -> bool:
        """Say whether a VMM of it came up once: what its guest wrote is on its disks."""
        came_up = any(one.to in _UP for one in self.trace)
        return self.incarnation > 1 or self.was_ready or came_up

    @property
    def holds_claim(self) -> bool:
        """Say whether its claim was admitted and is not given back."""
        return self.ended is None and self.state not in _BEFORE_ADMISSION

    @property
    def first_ready(self) -> datetime | None:
        """When this incarnation was first ready, as far as the trace goes back."""
        found = None
        for entry in reversed(self.trace):
            if entry.to is _S.PENDING:
                break
            if entry.to in _READY or entry.from_ in _READY:
                found = entry.time
        return found

    @property
    def was_ready(self) -> bool:
        """Say whether this incarnation's guest has been ready once."""
        return self.state in _READY or self.first_ready is not None

    def count_quick_end(self, exit_reason: str, now: datetime) -> int:
        """Return ``quick_ends`` after an end now: a long run begins the count anew."""
        if not pause_before(1, exit_reason):
            return self.quick_ends
        ready = self.first_ready
        is_quick = ready is None or now - ready < _LONG_RUN
        return (self.quick_ends if is_quick else 0) + 1

    def pause_left(self, now: datetime) -> float:
        """Return the seconds until the next incarnation may start.

        A fact of the record, so that no wake and no restart of the agent shortens it. Times
        are told in whole seconds, hence one more; a clock that was set back ends the pause.
        """
        last = self.last_exit
        if self.state is not _S.EXITED or last is None:
            return 0.0
        pause = timedelta(seconds=pause_before(max(1, self.quick_ends), last.reason))
        if not pause:
            return 0.0
        left = last.time.replace(microsecond=0) + _TOLD_IN + pause - now
        return left.total_seconds() if timedelta() < left <= pause + _TOLD_IN else 0.0


def record_file(state_directory: Path, placement_uid: str) -> Path:
    """Return where the record of one placement is; beside it is all that is kept of it."""
    return state_directory / RECORDS / placement_uid / _FILE


class RecordStore:
    """The records of one node, one folder per placement."""

    def __init__(self, state_directory: Path) -> None:
        self._root = state_directory / RECORDS

    def load_all(self) -> dict[str, LaunchRecord]:
        """Return every readable record by placement UID.

        An unreadable one is kept beside its place and counts as lost: its VM is found
        again by the placement's status and the marker, or reported as an orphan. One of a
        newer agent stays where it is, for that agent to come back to.
        """
        found = {}
        for path in self._root.glob(f"*/{_FILE}"):
            try:
                found[path.parent.name] = _parse(path.read_bytes(), path.parent.name)
            except (OSError, ValidationError) as error:
                _LOG.error("record.unreadable", extra={"path": str(path), "error": str(error)})
                with contextlib.suppress(OSError):
                    path.replace(path.with_name(_ASIDE))
        return found

    def save(self, record: LaunchRecord) -> None:
        """Write a record so that a crash leaves the old one or the new one, whole.

        Raises:
            RecordError: it is not on disk for sure; names the file.
        """
        folder = self._root / record.placement_uid
        if record.is_of_newer_agent:
            raise RecordError(f"{folder / _FILE} is a newer agent's, and stays as it is")
        try:
            if not (folder / _FILE).exists():
                # A folder without a record may be one whose name could not be synced before.
                self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder.mkdir(exist_ok=True, mode=0o700)
                sync_folder(self._root)
            write_whole(folder / _FILE, record.model_dump_json(by_alias=True).encode())
        except OSError as error:
            raise RecordError(
                f"{folder / _FILE} cannot be written: {error.strerror or error}"
            ) from error

    def remove(self, placement_uid: str) -> None:
        """Forget a placement of which nothing runs."""
        folder = self._root / placement_uid
        if folder.is_symlink() or not folder.is_dir():
            return
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _parse(content: bytes, placement_uid: str) -> LaunchRecord:
    """Read a record; of a newer agent's only whose it is, and that its VM may run.

    Raises:
        ValidationError: it is no record.
    """
    try:
        raw = json.loads(content)
        told = int(raw["recordFormat"])
    except (ValueError, LookupError, TypeError):
        raw, told = {}, FORMAT
    if told <= FORMAT:
        return LaunchRecord.model_validate_json(content)
    _LOG.error("record.of-newer-agent", extra={"uid": placement_uid, "format": told})
    names = {name: str(raw.get(name, "")) for name in ("workloadUID", "namespace", "name")}
    fixed = {"placementUID": placement_uid, "recordFormat": told, "state": _S.UNKNOWN}
    return LaunchRecord.model_validate({**names, **fixed})
