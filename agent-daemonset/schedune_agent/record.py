"""The launch record: on disk, synced, before anything of a VM exists.

Whatever the agent made can be found again from it; what is not in it, the agent did
not make. The placement's status is a projection of the record.
"""

import os
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from schedune.api.base import StatusModel
from schedune.api.vmplacement import (
    Ended,
    Exit,
    PlacementState,
    ReadinessStatus,
    Refusal,
    TraceEntry,
)
from schedune_agent.system.processes import ProcessIdentity

_FILE: Final = "record.json"
MOST_TRACE: Final = 64


class RecordError(Exception):
    """A record that cannot be read: what it stood for is unknown, not gone."""


class RecordedProcess(StatusModel):
    """A process as it was proved when it was started."""

    pid: int
    start_time: int
    boot_id: str
    executable: tuple[int, int]
    argv_digest: str

    def identity(self) -> ProcessIdentity:
        """Return it as the system package compares it."""
        return ProcessIdentity(
            self.pid, self.start_time, self.boot_id, self.executable, self.argv_digest
        )


class LaunchRecord(StatusModel):
    """Everything the agent knows of one placement."""

    placement_uid: str
    workload_uid: str
    namespace: str
    name: str
    state: PlacementState | None = None
    incarnation: int = 1
    argv: list[str] = Field(default_factory=list)
    process: RecordedProcess | None = None
    version: str | None = None
    readiness: ReadinessStatus | None = None
    trace: list[TraceEntry] = Field(default_factory=list)
    last_exit: Exit | None = None
    ended: Ended | None = None
    refusal: Refusal | None = None


class RecordStore:
    """The records of one node, one folder per placement."""

    def __init__(self, state_directory: Path) -> None:
        self._root = state_directory / "placements"

    def load_all(self) -> dict[str, LaunchRecord]:
        """Return every readable record by placement UID.

        Raises:
            RecordError: one is unreadable; names the file.
        """
        if not self._root.is_dir():
            return {}
        return {path.parent.name: _read(path) for path in self._root.glob(f"*/{_FILE}")}

    def save(self, record: LaunchRecord) -> None:
        """Write a record so that a crash leaves the old one or the new one, whole."""
        folder = self._root / record.placement_uid
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = folder / f"{_FILE}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, record.model_dump_json(by_alias=True).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(folder / _FILE)
        _sync_folder(folder)

    def remove(self, placement_uid: str) -> None:
        """Forget an ended placement."""
        folder = self._root / placement_uid
        for path in folder.glob("*"):
            path.unlink()
        if folder.is_dir():
            folder.rmdir()


def _read(path: Path) -> LaunchRecord:
    try:
        return LaunchRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RecordError(
            f"{path} cannot be read; move it away once its VM is proved ended: {error}"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
