"""Disks and kernel of a launch spec: which file becomes what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schedune.api.vmworkload import DiskAccess, DiskFormat, RuntimeClass
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.names import artifact_of, is_disk_name

_FORMATS: Final = {"raw": DiskFormat.RAW, "qcow2": DiskFormat.QCOW2, "ext4": DiskFormat.RAW}
_ROOT: Final = "/"
_KERNEL: Final = "/boot/vmlinux"
_BOOT_NAME: Final = "root"
_IN_ROOTS: Final = "opened only where it lies below an image root of the node's agent"
_MOUNTED_INSIDE: Final = "the guest mounts its disks itself"


@dataclass(slots=True)
class Storage:
    """What a guest boots from and writes to, as parts of a spec."""

    disks: list[dict[str, object]] = field(default_factory=list)
    kernel: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Volume:
    fields: Fields
    path: str
    format: DiskFormat
    is_read_only: bool
    mount_point: str
    name: str


def storage_of(fields: Fields, runtime_class: RuntimeClass) -> Storage:
    """Read typed storage, or else the legacy paths; typed wins."""
    volumes = [_volume(one) for one in fields.parts("storage")]
    if volumes:
        for name in ("image_reference", "kernel_image_path", "rootfs_path"):
            fields.drop(name, "storage wins over it, as in the original")
        return _typed(volumes, runtime_class)
    if runtime_class is RuntimeClass.MICRO_VM:
        return legacy_micro_vm(fields)
    return _legacy_image(fields)


def _volume(fields: Fields) -> _Volume:
    path, text = fields.text("host_path", required=True), fields.text("format")
    kind = fields.choice("format", _FORMATS, DiskFormat.RAW)
    if text == "ext4":
        fields.change("format", "a file system in a raw disk: written as Raw")
    if path and not is_host_path(path):
        fields.refuse("host_path", "must be an absolute path of printable ASCII")
    name = fields.text("volume_id")
    if name and not is_disk_name(name):
        fields.change("volume_id", "no name of a disk here: one is given by place")
        name = ""
    is_read_only, mount = fields.flag("read_only"), fields.text("mount_point")
    fields.close()
    return _Volume(fields, path, kind, is_read_only, mount, name)


def _typed(volumes: Sequence[_Volume], runtime_class: RuntimeClass) -> Storage:
    is_micro = runtime_class is RuntimeClass.MICRO_VM
    kernel = next((one for one in volumes if is_micro and _is_kernel(one)), None)
    disks = [one for one in volumes if one is not kernel]
    boot = next((one for one in disks if one.mount_point in ("", _ROOT)), None)
    first = boot or (disks[0] if disks else None)
    found = Storage()
    if kernel is not None:
        found.kernel = _kernel(kernel.fields, "host_path", kernel.path)
    for disk in sorted(disks, key=lambda one: one is not first):
        found.disks.append(_disk(disk, found.disks, is_boot=disk is first))
    return found


def _is_kernel(volume: _Volume) -> bool:
    if volume.mount_point in (_ROOT, _KERNEL):
        return volume.mount_point == _KERNEL
    return volume.format is DiskFormat.RAW and volume.is_read_only


def _disk(
    volume: _Volume, before: Sequence[dict[str, object]], *, is_boot: bool
) -> dict[str, object]:
    fields, taken = volume.fields, {one["name"] for one in before}
    name = volume.name if volume.name not in taken else ""
    if volume.mount_point not in ("", _ROOT):
        fields.drop("mount_point", _MOUNTED_INSIDE)
    fields.change("host_path", _IN_ROOTS)
    if not volume.is_read_only:
        fields.notes.change(
            fields.path_of("read_only"), volume.is_read_only,
            "Persistent: the guest writes into a disk of its workload, made from this file",
        )  # fmt: skip
    return {
        "name": name or (_BOOT_NAME if not before else f"disk-{len(before) + 1}"),
        "source": {"hostPath": volume.path},
        "format": volume.format,
        "access": DiskAccess.READ_ONLY if volume.is_read_only else DiskAccess.PERSISTENT,
        **({"bootOrder": 1} if is_boot else {}),
    }


def legacy_micro_vm(fields: Fields) -> Storage:
    """Read a kernel and a root file system by path; the original needs both."""
    kernel, root = fields.text("kernel_image_path"), fields.text("rootfs_path")
    fields.drop("image_reference", "a MicroVM boots a kernel, not an image")
    if not (kernel and root):
        for name in ("kernel_image_path", "rootfs_path"):
            fields.drop(name, "the original uses it only together with the other one")
        return Storage()
    if not is_host_path(root):
        fields.refuse("rootfs_path", "must be an absolute path of printable ASCII")
    fields.change("rootfs_path", f"a raw disk, {_IN_ROOTS}")
    disk: dict[str, object] = {
        "name": _BOOT_NAME,
        "source": {"hostPath": root},
        "format": DiskFormat.RAW,
        "access": DiskAccess.PERSISTENT,
        "bootOrder": 1,
    }
    return Storage([disk], _kernel(fields, "kernel_image_path", kernel))


def _legacy_image(fields: Fields) -> Storage:
    image = fields.text("image_reference")
    for name in ("kernel_image_path", "rootfs_path"):
        fields.drop(name, "the original uses it for a MicroVM only")
    if not image:
        return Storage()
    if is_host_path(image):
        source: dict[str, object] = {"hostPath": image}
        fields.change("image_reference", f"a qcow2 disk, {_IN_ROOTS}")
    else:
        source = {"artifact": _artifact(fields, "image_reference", image)}
    disk: dict[str, object] = {
        "name": _BOOT_NAME,
        "source": source,
        "format": DiskFormat.QCOW2,
        "access": DiskAccess.PERSISTENT,
        "bootOrder": 1,
    }
    return Storage([disk])


def _kernel(fields: Fields, name: str, path: str) -> dict[str, object]:
    return {"artifact": _artifact(fields, name, path)}


def _artifact(fields: Fields, name: str, path: str) -> str:
    artifact = artifact_of(path)
    if not artifact:
        fields.refuse(name, "must end in the name of a file")
        return "none"
    fields.change(name, f"an artefact by name: put the file as {artifact} into an image root")
    return artifact


def is_host_path(text: str) -> bool:
    """Say whether a path can be that of a disk here."""
    return text.startswith("/") and text.isascii() and text.isprintable()
