"""Put a VMWorkload together from parts, and check it as the API server would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from schedune.api.vmworkload import RuntimeClass, VMWorkload
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.names import label_of
from schedune_cli.importing.notes import Imported, Notes, Refused
from schedune_cli.importing.storage import Storage
from schedune_cli.importing.words import SCHEMA_VERSION

_Model = TypeVar("_Model", bound=BaseModel)
_FIRMWARE: Final = (
    "a VM that boots from a disk needs firmware as an artefact: put OVMF.fd (amd64) or "
    "QEMU_EFI.fd (arm64) under this name into an image root, or name yours"
)
_NO_KERNEL: Final = "a MicroVM boots a kernel and the document names none: write spec.boot.kernel"


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """What the importing person decides."""

    firmware: str = "firmware"
    """Name of the firmware artefact of VMs that boot from a disk."""


def read_version(fields: Fields) -> None:
    """Insist on the one version of the documents that there is."""
    fields.required_choice("schema_version", SCHEMA_VERSION)


def metadata_of(fields: Fields) -> dict[str, object]:
    """Return name and namespace: workload and tenant of the original."""
    return {
        "name": label_of(fields, "workload_id"),
        "namespace": label_of(fields, "tenant_id"),
    }


def boot_of(
    storage: Storage, runtime_class: RuntimeClass, notes: Notes, policy: ImportPolicy
) -> dict[str, object]:
    """Return what the guest starts from; the original knows no firmware, so one is added."""
    if storage.kernel is not None:
        notes.miss("spec.boot.commandLine", "the original names no arguments of the kernel")
        return {"kernel": storage.kernel}
    if not storage.disks:
        notes.miss("spec.disks", "the document names nothing to boot")
    is_micro = runtime_class is RuntimeClass.MICRO_VM
    notes.add("spec.boot.firmware", policy.firmware, _NO_KERNEL if is_micro else _FIRMWARE)
    return {"firmware": {"artifact": policy.firmware}}


def finish_workload(
    metadata: Mapping[str, object], spec: Mapping[str, object], notes: Notes
) -> Imported | Refused:
    """Return the workload, or everything that stands against it."""
    found = validate(VMWorkload, {"metadata": metadata, "spec": spec}, notes)
    return tuple(notes.problems) if found is None else Imported(found, tuple(notes.losses))


def validate(model: type[_Model], value: object, notes: Notes) -> _Model | None:
    """Read an object as a model, unless anything stands against it."""
    if notes.problems:
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors()[:8]:
            place = ".".join(str(part) for part in detail["loc"])
            notes.refuse(place, detail["input"], detail["msg"])
        return None
