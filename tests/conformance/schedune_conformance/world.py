"""State what the original's documents do not tell: everything is there, and free.

An envelope says nothing about images, bridges, rooms and what a VMM's binary can do; an
intent names nothing to boot (README 8). None of that is under test, so all of it is ample.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import RuntimeClass, VMWorkload
from schedune.fleet.node import NodeRecord
from schedune.launch.traits import TUN
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.names import is_node_name
from schedune_cli.importing.notes import Imported
from schedune_cli.importing.workload import ImportPolicy
from schedune_conformance import engine
from schedune_conformance.answer import NotExpressibleError
from schedune_conformance.corpus import Document

LEASE_S: Final = 300
"""How long the original believes an envelope."""
FIRMWARE: Final = "firmware"
_ROOM: Final = 2**50
_UID: Final = "node-uid"
_IDENTITY: Final = {"nodeUID": _UID, "machineID": "m", "bootID": "b", "agentVersion": "1"}


def node_of(envelope: Document, workload: VMWorkload | None) -> NodeRecord:
    """Return an envelope's node, with all that a workload refers to.

    Raises:
        NotExpressibleError: the envelope cannot be imported.
    """
    name = envelope["node_id"]
    legal = {**envelope, "node_id": name if is_node_name(name) else "renamed"}
    found = import_document(legal, ImportPolicy())
    if not isinstance(found, Imported) or not isinstance(found.manifest, NodeTruth):
        raise NotExpressibleError(f"README 7: no NodeTruth can say this: {found}")
    proved = datetime.fromtimestamp(envelope["timestamp_sec"], UTC)
    return ample_node(name, found.manifest.status.render(), workload, proved)


def ample_node(
    name: str, status: Mapping[str, Any], workload: VMWorkload | None, proved: datetime
) -> NodeRecord:
    """Return a node of which all that is not told is there, and free."""
    told: dict[str, Any] = {
        "artifacts": artifacts_of(workload, status["cpu"]["architecture"]) if workload else [],
        **status,
        "capabilities": [*status.get("capabilities", []), *_tun(workload, status)],
        "identity": _IDENTITY,
        "backends": [engine.complete_backend(one) for one in status.get("backends", [])],
        "networks": [{"name": one} for one in _bridges(workload)],
        "disks": [*image_roots_of(workload), *(_room("/", one) for one in ("Run", "State"))],
        "capacity": {"vcpus": 4096, "memory": "1Pi", "disk": "1Pi", "basis": "Configured"},
    }
    truth = NodeTruth.model_validate({"metadata": {"name": name}, "status": told})
    labels = {"kubernetes.io/hostname": name}
    return NodeRecord(name, _UID, truth, proved, LEASE_S, labels=labels)


def artifacts_of(workload: VMWorkload, architecture: str) -> list[dict[str, Any]]:
    """List every file that a workload refers to, as the inventory of a node would."""
    boot = workload.spec.boot
    found = {
        one.artifact: _artifact(one.artifact, kind, form, architecture)
        for one, kind, form in (
            (boot.kernel, "Kernel", "ELF"),
            (boot.initrd, "Initrd", "Cpio"),
            (boot.firmware, "Firmware", "Raw"),
        )
        if one is not None
    }
    for disk in workload.spec.disks:
        source = disk.source
        name = source.artifact or PurePosixPath(source.host_path or "").name
        found[name] = _artifact(name, "Disk", disk.format.value, "Unknown")
    return list(found.values())


def image_roots_of(workload: VMWorkload | None) -> list[dict[str, Any]]:
    """Let every folder that a workload names be an image root: the original has none."""
    disks = workload.spec.disks if workload else []
    paths = (PurePosixPath(one.source.host_path) for one in disks if one.source.host_path)
    return [_room(one, "Images") for one in sorted({str(path.parent) for path in paths} | {"/"})]


def _artifact(name: str, kind: str, form: str, architecture: str) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "format": form, "architecture": architecture,
        "sizeBytes": 2**20, "virtualSizeBytes": 2**20,
    }  # fmt: skip


def _tun(workload: VMWorkload | None, status: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """State that taps can be made; an envelope tells it of Firecracker's nodes only."""
    if workload is None or workload.spec.runtime_class is RuntimeClass.MICRO_VM:
        return []
    held = [one["name"] for one in status.get("capabilities", [])]
    if TUN in held or not _bridges(workload):
        return []
    stated = {"name": TUN, "state": "Supported", "reasonCode": "CAP_STATED"}
    return [{**stated, "observedTime": "2026-01-01T00:00:00Z"}]


def _bridges(workload: VMWorkload | None) -> Iterable[str]:
    networks = workload.spec.networks if workload else []
    return sorted({one.tap.bridge for one in networks if one.tap is not None})


def _room(path: str, purpose: str) -> dict[str, Any]:
    return {
        "path": path, "purpose": purpose, "access": "ReadWrite",
        "totalBytes": _ROOM, "availableBytes": _ROOM,
    }  # fmt: skip


def bootable(workload: VMWorkload) -> VMWorkload:
    """Give a workload that names nothing to boot what its class needs."""
    if workload.spec.disks:
        return workload
    is_micro = workload.spec.runtime_class is RuntimeClass.MICRO_VM
    spec: Mapping[str, Any] = {
        **workload.spec.render(),
        "boot": {"kernel": {"artifact": "vmlinux"}}
        if is_micro
        else {"firmware": {"artifact": FIRMWARE}},
        "disks": [_disk("Raw" if is_micro else "Qcow2")],
    }
    return VMWorkload.model_validate({"metadata": workload.metadata.model_dump(), "spec": spec})


def _disk(form: str) -> dict[str, Any]:
    return {
        "name": "root", "source": {"hostPath": "/var/lib/vms/root"}, "format": form,
        "access": "Persistent", "bootOrder": 1,
    }  # fmt: skip
