"""Find the record of a VM by its name: what the agent wrote, read and never changed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schedune_agent.record import RECORDS, LaunchRecord, record_file

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def find_record(state_directory: Path, namespace: str, name: str) -> LaunchRecord | None:
    """Return the newest record of a name, one that may run before any other.

    Raises:
        OSError: the records cannot be looked at; that there are none is no error.
    """
    found = [
        one for one in _records(state_directory) if (one.namespace, one.name) == (namespace, name)
    ]
    return max(found, key=lambda one: (one.may_run, _last_move(one)), default=None)


def read_again(state_directory: Path, record: LaunchRecord) -> LaunchRecord | None:
    """Return the record as it is now; None: it was removed.

    Raises:
        OSError: it cannot be read.
    """
    return _read(record_file(state_directory, record.placement_uid))


def _records(state_directory: Path) -> Iterator[LaunchRecord]:
    # No glob: that says nothing of a folder that it may not look into.
    try:
        folders = sorted((state_directory / RECORDS).iterdir())
    except FileNotFoundError:
        return
    for folder in folders:
        found = _read(record_file(state_directory, folder.name))
        if found is not None:
            yield found


def _read(path: Path) -> LaunchRecord | None:
    """Read one; one that is unreadable as a record is the agent's to tell of."""
    try:
        return LaunchRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def _last_move(record: LaunchRecord) -> datetime:
    return record.trace[-1].time if record.trace else _NEVER
