"""WorkloadIntent -> VMWorkload: where a VM may run, and nothing of what it is."""

from collections.abc import Mapping
from typing import Final

from schedune.api.vmworkload import Acceleration, LaunchMode, RuntimeClass
from schedune_cli.importing.backend import policy_of
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.notes import Imported, Notes, Refused
from schedune_cli.importing.storage import Storage, legacy_micro_vm
from schedune_cli.importing.words import RUNTIME_CLASSES, TPM, WANTED_ARCHITECTURES
from schedune_cli.importing.workload import (
    ImportPolicy,
    boot_of,
    finish_workload,
    metadata_of,
    read_version,
)

_SMALLEST: Final = {"vcpus": 1, "memory": "16Mi"}
_LONGEST_AGE_S: Final = 86400
_SHORTEST_AGE_S: Final = 2


def import_intent(raw: Mapping[str, object], policy: ImportPolicy) -> Imported | Refused:
    """Return what an intent asks for; what it does not say is added, and said."""
    notes = Notes()
    fields = Fields(raw, notes)
    read_version(fields)
    metadata = metadata_of(fields)
    runtime_class = fields.required_choice("runtime_class", RUNTIME_CLASSES)
    storage = _storage(fields, runtime_class)
    backend = policy_of(fields, fields, runtime_class)
    notes.add("spec.resources", _SMALLEST, "an intent has none: write what the guest needs")
    notes.add(
        "spec.launchMode", LaunchMode.VALIDATE, "an intent launches nothing; Execute runs the VM"
    )
    spec: dict[str, object] = {
        "runtimeClass": runtime_class,
        "architecture": fields.required_choice("required_architecture", WANTED_ARCHITECTURES),
        "resources": _SMALLEST,
        "acceleration": acceleration_of(fields),
        "boot": boot_of(storage, runtime_class, notes, policy),
        "disks": storage.disks,
        "placement": placement_of(fields, []),
        "launchMode": LaunchMode.VALIDATE,
    }
    fields.close()
    return finish_workload(metadata, {**spec, **({"backend": backend} if backend else {})}, notes)


def _storage(fields: Fields, runtime_class: RuntimeClass) -> Storage:
    """Read the two paths that an intent may carry; the original never reads them."""
    if runtime_class is RuntimeClass.MICRO_VM:
        return legacy_micro_vm(fields)
    for name in ("kernel_image_path", "rootfs_path"):
        fields.drop(name, "the original never reads it in an intent")
    return Storage()


def acceleration_of(fields: Fields) -> Acceleration:
    """Read whether KVM is asked for."""
    if fields.flag("requires_kvm"):
        return Acceleration.KVM
    fields.change(
        "requires_kvm", "Emulated: slow and no isolation boundary; write KVM where a VM shall run"
    )
    return Acceleration.EMULATED


def placement_of(fields: Fields, capabilities: list[str]) -> dict[str, object]:
    """Read where the VM may run; the machine may ask for capabilities of its own."""
    classes = fields.texts("required_compatibility_classes")
    if not classes:
        fields.refuse(
            "required_compatibility_classes",
            "names no class, so that no node is eligible; here no class means any: name one",
        )
    tpm = [TPM] if fields.flag("requires_tpm") else []
    return {
        "compatibilityClasses": classes,
        "requiredCapabilities": [*tpm, *capabilities],
        "preferredCapabilities": fields.texts("preferred_features"),
        "forbiddenConstraints": fields.texts("forbidden_constraints"),
        "maxTruthAgeSeconds": _truth_age(fields),
    }


def _truth_age(fields: Fields) -> int:
    name = "max_telemetry_age_sec"
    asked = fields.integer(name, least=1)
    held = min(max(asked, _SHORTEST_AGE_S), _LONGEST_AGE_S)
    if held != asked:
        fields.change(name, f"from {_SHORTEST_AGE_S} to {_LONGEST_AGE_S} here: written as {held}")
    return held
