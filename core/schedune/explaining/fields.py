"""Which field of a VMWorkload an atom of the decision is about."""

from collections.abc import Callable, Mapping
from typing import Final

from schedune.api.vmworkload import VMWorkloadSpec
from schedune.launch.capabilities import KVM

_FIXED: Final[Mapping[str, str]] = {
    "memory": "spec.resources.memory",
    "vcpus": "spec.resources.vcpus",
    "hugepages": "spec.resources.hugepages",
    "disk": "spec.disks",
    "maxTruthAgeSeconds": "spec.placement.maxTruthAgeSeconds",
    "architecture": "spec.architecture",
    "compatibilityClass": "spec.placement.compatibilityClasses",
    "nodeAffinity": "spec.placement.nodeAffinity",
    f"capability/{KVM}": "spec.acceleration",
}
_BY_HEAD: Final[Mapping[str, Callable[[str], str]]] = {
    "nodeSelector": lambda rest: f"spec.placement.nodeSelector.{rest}",
    "taint": lambda _: "spec.placement.tolerations",
    "capability": lambda _: "spec.placement.requiredCapabilities",
    "forbiddenConstraint": lambda _: "spec.placement.forbiddenConstraints",
    "antiAffinity": lambda rest: f"spec.placement.antiAffinity.{rest.partition('/')[0]}",
    "topologySpread": lambda rest: f"spec.placement.topologySpread.{rest.partition('/')[0]}",
    "existingAntiAffinity": lambda _: "metadata.labels",
    "persistentDisk": lambda _: "spec.disks",
    "bridge": lambda _: "spec.networks",
    "nodePort": lambda _: "spec.networks",
}


def field_of(atom: str, spec: VMWorkloadSpec) -> str:
    """Return the path of the field; "": it is a state of the node, no demand."""
    if atom in _FIXED:
        return _FIXED[atom]
    head, _, rest = atom.partition("/")
    if head == "artifact":
        return _artifact_field(rest, spec)
    if head == "backend":
        return "spec.backend.versions" if rest.endswith("/version") else "spec.backend"
    found = _BY_HEAD.get(head)
    return found(rest) if found else ""


def _artifact_field(name: str, spec: VMWorkloadSpec) -> str:
    for part in ("kernel", "initrd", "firmware"):
        reference = getattr(spec.boot, part)
        if reference is not None and reference.artifact == name:
            return f"spec.boot.{part}"
    for number, disk in enumerate(spec.disks):
        if name in (disk.source.artifact, disk.source.host_path):
            return f"spec.disks.{number}.source"
    return "spec.boot"
