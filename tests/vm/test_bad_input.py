"""What cannot be launched: a code and a remedy before any process starts, and nothing is left.

Two VMs on one disk are in test_persistent_disks, names of networks beside the networks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from schedune.api.vmplacement import PlacementState
from schedune.codes.table import TABLE
from schedune_agent.system import processes

NewWorld = Callable[..., Any]


@dataclass(frozen=True)
class Bad:
    """One thing that is wrong, and how that is said."""

    code: str
    says: str
    launch: dict[str, Any] = field(default_factory=dict)
    run_folder: str = ""
    """Longer than a socket's path may be."""


def disk(access: str = "Ephemeral", **changes: Any) -> dict[str, Any]:
    return {"disks": [{"name": "root", "format": "Raw", "access": access, **changes}]}


BAD = {
    "a kernel that is a folder": Bad(
        "REJECT_ARTIFACT_UNRECOGNISED", "a folder", {"kernel": {"artifact": "folder"}}
    ),
    "a kernel that is a disk": Bad(
        "REJECT_ARTIFACT_KIND_MISMATCH", "a Disk", {"kernel": {"artifact": "data"}}
    ),
    "a kernel of another architecture": Bad(
        "REJECT_ARTIFACT_ARCHITECTURE_MISMATCH", "64", {"kernel": {"artifact": "foreign"}}
    ),
    "a disk with a backing file": Bad(
        "REJECT_ARTIFACT_REFUSED", "a backing file", disk(artifact="backed", format="Qcow2")
    ),
    "a disk of 1 EiB by its header": Bad(
        "REJECT_ARTIFACT_REFUSED", "1152921504606846976", disk(artifact="endless", format="Qcow2")
    ),
    "an overlay of 1 EiB": Bad(
        "ERR_EXEC_DISK_NOT_MADE", "must not exceed 8Pi", disk(emptySize="1Ei")
    ),
    "an overlay of 1 PiB": Bad(
        "ERR_EXEC_DISK_NOT_MADE", "1125899906842624 bytes", disk(emptySize="1Pi")
    ),
    "a raw disk of 1 EiB": Bad(
        "ERR_EXEC_DISK_NOT_MADE", "must not exceed 8Pi", disk("Persistent", emptySize="1Ei")
    ),
    "memory below what the kernel needs": Bad(
        "ERR_LAUNCH_KERNEL_EXCEEDS_MEMORY", "32Mi are asked for", {"memory": "32Mi"}
    ),
    "an initrd that is not there": Bad(
        "REJECT_ARTIFACT_MISSING", "absent", {"initrd": {"artifact": "gone"}}
    ),
    "a socket whose path is too long": Bad(
        "ERR_PREPARATION_FAILED", "longer than the 107 bytes", run_folder="r" * 100
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_it_is_refused_before_any_process_starts_and_nothing_is_left(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bad = BAD[name]
    world = new_world(**bad.launch)
    if bad.run_folder:
        run = world.settings.run_directory / bad.run_folder
        world.settings = world.settings.model_copy(update={"run_directory": run})
        world._machine = replace(world._machine, settings=world.settings)
    started: list[object] = []
    worker = world.new_agent()
    monkeypatch.setattr(processes, "spawn", lambda *_, **__: started.append(1))
    await world.carry_on(worker, lambda record: record.ended is not None)
    last = worker.record.trace[-1]
    assert last.to is PlacementState.FAILED
    assert last.code == bad.code, last.message
    assert bad.says in last.message
    assert TABLE[last.code].remedy
    await world.carry_on(worker, lambda _: not world.remains())
    assert (started, world.vms()) == ([], [])
    assert not disks_of(world)


def disks_of(world: Any) -> list[Path]:
    folder = world.settings.state_directory / "disks/namespace-uid/vm"
    return [one for one in folder.glob("*") if one.is_file()]
