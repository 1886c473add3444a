"""How important workloads are: by Kubernetes' own PriorityClasses."""

from collections.abc import Callable
from typing import Final

from schedune.codes import intent as codes
from schedune.codes.row import Reason
from schedune_kube.client import KubeClient, Raw
from schedune_kube.reflector import Reflector
from schedune_kube.resources import PRIORITYCLASSES

_NONE: Final = 0
"""The priority of who names no class, where none is the default for all."""


class Priorities:
    """A mirror of the PriorityClasses."""

    def __init__(self, client: KubeClient) -> None:
        self.on_change: Callable[[], None] = lambda: None
        """Told when a class came, changed or went."""
        self.mirror = Reflector(client, PRIORITYCLASSES, on_change=lambda *_: self.on_change())

    def of(self, workload: Raw) -> int:
        """Return a workload's priority; more goes first."""
        name = workload["spec"].get("priorityClassName")
        if name is not None:
            return int(self.mirror.store.get(("", name), {}).get("value", _NONE))
        default = [one for one in self.mirror.store.values() if one.get("globalDefault")]
        return max((int(one["value"]) for one in default), default=_NONE)

    def objection(self, name: str | None) -> Reason | None:
        """Say that there is no such class; before the first list nobody knows."""
        if name is None or not self.mirror.synced.is_set() or ("", name) in self.mirror.store:
            return None
        return Reason(codes.PRIORITY_CLASS_MISSING, name, subject="spec.priorityClassName")
