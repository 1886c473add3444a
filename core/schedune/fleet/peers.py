"""What a workload is to others, beside what it holds: by what they mean it, whom it keeps away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from schedune.api.policy import AntiAffinity, WorkloadSelector

_RULES: Final = TypeAdapter(tuple[AntiAffinity, ...])


@dataclass(frozen=True, slots=True)
class Peer:
    """What rules between workloads ask of one that has a placement."""

    labels: Mapping[str, str] = field(default_factory=dict)
    keeps_away: tuple[AntiAffinity, ...] = ()
    """Whom it keeps away from the place where it is."""


NOBODY: Final = Peer()
"""A workload that is not known: its rules hold no more."""


def peer_of(labels: object, placement: object) -> Peer:
    """Read what ``metadata.labels`` and ``spec.placement`` of an object say.

    What cannot be read says nothing.
    """
    rules = placement.get("antiAffinity") if isinstance(placement, Mapping) else None
    found = {str(name): str(value) for name, value in _items(labels)}
    return Peer(found, _read(rules) if rules else ())


def selects(selector: WorkloadSelector, labels: Mapping[str, str]) -> bool:
    """Say whether a workload is meant; a selector without labels means none."""
    wanted = selector.match_labels
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _items(labels: object) -> Any:
    return labels.items() if isinstance(labels, Mapping) else ()


def _read(rules: object) -> tuple[AntiAffinity, ...]:
    try:
        return _RULES.validate_python(rules)
    except ValidationError:
        return ()
