"""Parse, once, what a user wrote into what it means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from schedune.api.quantity import QuantityError, parse_bytes
from schedune.api.vmworkload import (
    Acceleration,
    Architecture,
    Backend,
    RuntimeClass,
    VMWorkload,
    VMWorkloadSpec,
)  # fmt: skip
from schedune.codes import intent as codes
from schedune.codes.row import Reason

DEFAULT_PREFERENCE: Final[Mapping[RuntimeClass, tuple[Backend, ...]]] = {
    RuntimeClass.VIRTUAL_MACHINE: (Backend.CLOUD_HYPERVISOR, Backend.QEMU),
    RuntimeClass.MICRO_VM: (Backend.FIRECRACKER, Backend.CLOUD_HYPERVISOR),
}
"""Which backends are tried, in order, when the intent names none (design.md 2)."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The validated meaning of a VMWorkload's spec."""

    namespace: str
    name: str
    uid: str
    spec: VMWorkloadSpec
    memory_bytes: int
    backends: tuple[Backend, ...]

    @property
    def vcpus(self) -> int:
        """Virtual CPUs asked for."""
        return self.spec.resources.vcpus

    @property
    def acceleration(self) -> Acceleration:
        """KVM or Emulated."""
        return self.spec.acceleration

    @property
    def architecture(self) -> Architecture:
        """amd64, arm64 or Any."""
        return self.spec.architecture

    def minimum_and_exact(self, backend: Backend) -> tuple[str | None, str | None]:
        """Return the versions demanded of a backend."""
        for demand in self.spec.backend.versions if self.spec.backend else ():
            if demand.name is backend:
                return demand.minimum, demand.exact
        return None, None


Refused = tuple[Reason, ...]
"""Why an object cannot be served as written; never empty."""


def read_workload(raw: Mapping[str, object]) -> VMWorkload | Refused:
    """Read an object of the API server; what slipped through its schema is a Reason."""
    readable = {key: value for key, value in raw.items() if key != "status"}
    try:
        return VMWorkload.model_validate(readable)
    except ValidationError as error:
        return tuple(
            Reason(
                codes.INVALID_FIELD,
                subject=".".join(str(part) for part in detail["loc"]),
                observed=f"got {str(detail['input'])[:80]!r}",
                required=detail["msg"],
            )
            for detail in error.errors()[:8]
        )


def parse_intent(workload: VMWorkload) -> Intent | Refused:
    """Return what the workload asks for, or everything that stands against serving it."""
    refusals = (*_nonsense(workload.spec), *_unsupported(workload.spec))
    if refusals:
        return refusals
    spec = workload.spec
    chosen = spec.backend.preference if spec.backend and spec.backend.preference else None
    return Intent(
        namespace=workload.metadata.namespace,
        name=workload.metadata.name,
        uid=workload.metadata.uid,
        spec=spec,
        memory_bytes=parse_bytes(spec.resources.memory),
        backends=tuple(chosen) if chosen else DEFAULT_PREFERENCE[spec.runtime_class],
    )


_MINIMUM_MEMORY: Final = 16 * 2**20


def _nonsense(spec: VMWorkloadSpec) -> Iterator[Reason]:
    try:
        memory = parse_bytes(spec.resources.memory)
    except QuantityError as error:
        yield Reason(
            codes.INVALID_FIELD, spec.resources.memory, str(error), "spec.resources.memory"
        )
    else:
        if memory < _MINIMUM_MEMORY:
            advice = "must be at least 16Mi; did you leave out a unit?"
            yield Reason(
                codes.INVALID_FIELD, spec.resources.memory, advice, "spec.resources.memory"
            )
    preference = spec.backend.preference if spec.backend and spec.backend.preference else []
    if len(set(preference)) != len(preference):
        yield Reason(
            codes.INVALID_FIELD,
            ", ".join(preference),
            "must not name a backend twice",
            "spec.backend.preference",
        )
    if spec.boot.command_line and not spec.boot.kernel:
        yield Reason(
            codes.INVALID_FIELD,
            spec.boot.command_line,
            "needs `boot.kernel`",
            "spec.boot.commandLine",
        )


def _unsupported(spec: VMWorkloadSpec) -> Iterator[Reason]:
    for path, value in _later_fields(spec):
        if value:
            yield Reason(codes.FIELD_NOT_SUPPORTED_YET, _short(value), subject=path)


def _later_fields(spec: VMWorkloadSpec) -> Sequence[tuple[str, object]]:
    """List every field whose function is still missing, with what the user wrote."""
    placement, readiness = spec.placement, spec.readiness
    probe = readiness.probe.type if readiness.probe else None
    return (
        ("spec.resources.hugepages", spec.resources.hugepages),
        ("spec.boot.firmware", spec.boot.firmware and spec.boot.firmware.artifact),
        ("spec.disks", [disk.name for disk in spec.disks]),
        ("spec.networks", [network.name for network in spec.networks]),
        ("spec.guest", spec.guest and spec.guest.render()),
        (
            "spec.placement.nodeAffinity",
            placement.node_affinity and placement.node_affinity.render(),
        ),
        ("spec.placement.tolerations", [one.key or "*" for one in placement.tolerations]),
        ("spec.placement.compatibilityClasses", placement.compatibility_classes),
        ("spec.placement.requiredCapabilities", placement.required_capabilities),
        ("spec.placement.preferredCapabilities", placement.preferred_capabilities),
        ("spec.placement.forbiddenConstraints", placement.forbidden_constraints),
        ("spec.placement.antiAffinity", [one.topology_key for one in placement.anti_affinity]),
        ("spec.placement.topologySpread", [one.topology_key for one in placement.topology_spread]),
        ("spec.priorityClassName", spec.priority_class_name),
        ("spec.restartToken", spec.restart_token),
        (
            "spec.updateStrategy",
            spec.update_strategy if spec.update_strategy != "OnRestart" else None,
        ),
        ("spec.readiness.probe.type", probe if probe != "VirtioSerial" else None),
    )


def _short(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
