"""What a new placement of a workload would have otherwise than the one that it has.

Amounts and versions are compared by what they mean, not by how they are spelt. Wishes do
not count: what is preferred alone never moves a VM.
"""

import hashlib
import json
from typing import Any, Final

from schedune.api.policy import PlacementPolicy
from schedune.api.quantity import QuantityError, parse_bytes
from schedune.api.vmplacement import AcceptedVersions, Launch, VMPlacement
from schedune.api.vmworkload import Architecture, VMWorkload
from schedune.launch.intent import Intent, Refused
from schedune.launch.needs import VersionNeed
from schedune.launch.resolve import resolve_launch
from schedune.launch.version import parse_version

_ALL: Final = True
_REQUIRED: Final[dict[str, Any]] = {
    "node_selector": _ALL,
    "node_affinity": {"required"},
    "tolerations": _ALL,
    "compatibility_classes": _ALL,
    "required_capabilities": _ALL,
    "forbidden_constraints": _ALL,
    "anti_affinity": _ALL,
    "topology_spread": _ALL,
}
"""Fields of ``spec.placement`` that demand something of the node and its company.

Not ``maxTruthAgeSeconds``: it is about the proof by which is decided, not about the node.
"""
_WISHES: Final = (("effect", "PreferNoSchedule"), ("whenUnsatisfiable", "ScheduleAnyway"))


def changed_fields(
    placement: VMPlacement, workload: VMWorkload, asked: Intent | Refused
) -> list[str]:
    """Name what a new placement would have otherwise; of a refused spec, what is refused.

    A spec that nobody edited since has not changed, whatever an operator of another version
    makes of it: an upgrade of ours restarts nobody.
    """
    bound = placement.spec
    if workload.metadata.generation == bound.workload.generation:
        return []
    if isinstance(asked, tuple):
        return [one.subject for one in asked]
    held = _by_value(bound.launch)
    wanted = _by_value(resolve_launch(asked, bound.launch.architecture, bound.backend))
    changed = [key for key in sorted({*held, *wanted}) if held.get(key) != wanted.get(key)]
    if bound.mode is not asked.spec.launch_mode:
        changed.append("launchMode")
    return changed + _changed_demands(placement, asked)


def _changed_demands(placement: VMPlacement, asked: Intent) -> list[str]:
    """Name the demands on node and backend that are others now.

    An operator that kept no digest compared the launch alone: what was edited under it is not
    made a cause to end a VM by its successor.
    """
    bound = placement.spec
    required = bound.evidence.placement_digest
    if required is None:
        return []
    kept = bound.versions or AcceptedVersions()
    differ = {
        "architecture": asked.architecture not in (Architecture.ANY, bound.launch.architecture),
        "backend.preference": bound.backend not in asked.backends,
        "backend.versions": _versions(kept) != _versions(asked.version_of(bound.backend)),
        "placement": required != required_digest(asked.spec.placement),
    }
    return [name for name, differs in differ.items() if differs]


def required_digest(policy: PlacementPolicy) -> str:
    """Digest what is demanded of the node; wishes, order and defaults do not count."""
    demands = policy.model_dump(
        mode="json", by_alias=True, include=_REQUIRED, exclude_defaults=True
    )
    text = json.dumps(_canonical(demands), sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _canonical(value: Any) -> Any:
    """Leave out wishes and what is empty; every list of a policy is a set."""
    if isinstance(value, list):
        demands = [one for one in value if not _is_wish(one)]
        return sorted({json.dumps(_canonical(one), sort_keys=True) for one in demands})
    if isinstance(value, dict):
        kept = {key: _canonical(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in ({}, [])}
    return value


def _is_wish(value: Any) -> bool:
    return isinstance(value, dict) and any(value.get(key) == wish for key, wish in _WISHES)


def _versions(need: AcceptedVersions | VersionNeed) -> tuple[object, object]:
    """Return what the workload accepts; the policy's floors are not its own."""
    return _version(need.minimum), _version(need.exact)


def _version(text: str | None) -> object:
    return parse_version(text) if text else None


def _by_value(launch: Launch) -> dict[str, Any]:
    told: dict[str, Any] = launch.render()
    for disk in told.get("disks", ()):
        _measure(disk, "emptySize")
    _measure(told, "memory")
    _measure(told, "hugepages")
    return told


def _measure(told: dict[str, Any], name: str) -> None:
    """Put bytes in the place of a quantity; one that is none stays as it is spelt."""
    if name in told:
        try:
            told[name] = parse_bytes(told[name])
        except QuantityError:
            return
