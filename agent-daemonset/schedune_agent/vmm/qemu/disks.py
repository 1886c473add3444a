"""The disks of a launch on QEMU's command line: every format is told, none is probed."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from schedune.api.vmworkload import DiskAccess
from schedune_agent.vmm.port import DiskFiles

_FORMATS: Final = {"Raw": "raw", "Qcow2": "qcow2"}


def render_disks(disks: Sequence[DiskFiles]) -> list[str]:
    """Return the arguments for the disks, in the order in which the guest sees them."""
    return [argument for one in disks for argument in _disk(one)]


def _disk(files: DiskFiles) -> Iterator[str]:
    node = f"disk-{files.disk.name}"
    yield "-blockdev"
    yield json.dumps({"node-name": node, **_node(files)})
    device: dict[str, object] = {"driver": "virtio-blk-pci", "drive": node}
    device["serial"] = files.disk.name
    if files.disk.boot_order is not None:
        device["bootindex"] = files.disk.boot_order
    yield "-device"
    yield json.dumps(device)


def _node(files: DiskFiles) -> dict[str, object]:
    source = _source(files)
    if files.disk.access is DiskAccess.READ_ONLY and source is not None:
        return source
    if files.disk.access is DiskAccess.PERSISTENT:
        return _own(files)
    return {
        "driver": "qcow2",
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(files.overlay)},
        "backing": source,
    }


def _own(files: DiskFiles) -> dict[str, object]:
    """Return a file of the workload's own; nothing that its header names is followed."""
    driver = _FORMATS[files.disk.format.value]
    below = {"backing": None} if driver == "qcow2" else {}
    file = {"driver": "file", "filename": str(files.overlay), "locking": "on"}
    return {"driver": driver, "discard": "unmap", "file": file, **below}


def _source(files: DiskFiles) -> dict[str, object] | None:
    """Return the artefact, opened for reading only; nothing that its header names is followed."""
    if files.source is None:
        return None
    driver = _FORMATS[files.disk.format.value]
    below = {"backing": None} if driver == "qcow2" else {}
    return {
        "driver": driver,
        "read-only": True,
        "file": {"driver": "file", "filename": str(files.source), "read-only": True},
        **below,
    }
