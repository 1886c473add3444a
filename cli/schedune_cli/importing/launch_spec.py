"""LaunchSpec, or the template of a plan, -> VMWorkload: what a VM is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schedune.api.quantity import MAX_BYTES
from schedune.api.vmworkload import Acceleration, LaunchMode
from schedune_cli.importing.backend import policy_of
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.networks import networks_of
from schedune_cli.importing.notes import Imported, Notes, Refused
from schedune_cli.importing.storage import storage_of
from schedune_cli.importing.words import ARCHITECTURES, LAUNCH_MODES, RUNTIME_CLASSES, SECCOMP
from schedune_cli.importing.workload import (
    ImportPolicy,
    boot_of,
    finish_workload,
    metadata_of,
    read_version,
)

_MOST_VCPUS: Final = 1024
_LEAST_MEMORY_MIB: Final = 16
_MOST_MEMORY_MIB: Final = MAX_BYTES >> 20
"""What Kubernetes counts in bytes."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a template says of a VM: parts of its spec, and what they ask of a node."""

    spec: dict[str, object]
    required_capabilities: list[str]


def import_launch_spec(raw: Mapping[str, object], policy: ImportPolicy) -> Imported | Refused:
    """Return the VM that a launch spec describes."""
    notes = Notes()
    fields = Fields(raw, notes)
    read_version(fields)
    metadata = metadata_of(fields)
    machine = machine_of(fields, policy, preferred=fields)
    if not fields.has("launch_mode"):
        notes.add("spec.launchMode", LaunchMode.VALIDATE, "the document names no mode")
    mode = fields.choice("launch_mode", LAUNCH_MODES, LaunchMode.VALIDATE)
    fields.drop(
        "node_id",
        "Schedune decides where; spec.placement.nodeSelector kubernetes.io/hostname pins a node",
    )
    fields.close()
    spec: dict[str, object] = {**machine.spec, "launchMode": mode}
    if machine.required_capabilities:
        spec["placement"] = {"requiredCapabilities": machine.required_capabilities}
    return finish_workload(metadata, spec, notes)


def machine_of(fields: Fields, policy: ImportPolicy, *, preferred: Fields) -> Machine:
    """Return what runs; the original launches by KVM only.

    ``preferred`` is the object that names the backends: a template's intent may.
    """
    runtime_class = fields.required_choice("runtime_class", RUNTIME_CLASSES)
    storage, networks = storage_of(fields, runtime_class), networks_of(fields)
    backend = policy_of(preferred, fields, runtime_class)
    spec: dict[str, object] = {
        "runtimeClass": runtime_class,
        "architecture": fields.required_choice("architecture", ARCHITECTURES),
        "resources": _resources(fields),
        "acceleration": Acceleration.KVM,
        "boot": boot_of(storage, runtime_class, fields.notes, policy),
        "disks": storage.disks,
        "networks": networks,
        **({"backend": backend} if backend else {}),
    }
    return Machine(spec, _security(fields))


def _resources(fields: Fields) -> dict[str, object]:
    memory = fields.integer("memory_mb", least=_LEAST_MEMORY_MIB, most=_MOST_MEMORY_MIB)
    return {"vcpus": fields.integer("vcpu", least=1, most=_MOST_VCPUS), "memory": f"{memory}Mi"}


def _security(fields: Fields) -> list[str]:
    """Read the security context; return the capabilities that it asks of a node."""
    context = fields.part("security")
    context.drop("privileged", "no VMM of Schedune is privileged")
    context.drop("apparmor_profile", "profiles of AppArmor are the node's own affair here")
    context.drop("drop_capabilities", "a VMM keeps no capability anyway")
    asks = context.has("seccomp_profile")
    if context.text("seccomp_profile"):
        context.change(
            "seccomp_profile", f"each VMM has its own filter; a node must have {SECCOMP}"
        )
    context.close()
    return [SECCOMP] if asks else []
