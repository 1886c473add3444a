"""Which placements a node holds, and when something about it is another for them.

A placed workload is looked at when its node is told silent or heard again, and when what
administrators say of the node changes; heartbeats and facts alone concern nobody.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from schedune_kube.client import Raw
from schedune_kube.reflector import Key


class Tenants:
    """Placements by node."""

    def __init__(self) -> None:
        self._node_of: dict[Key, str] = {}
        self._on: dict[str, set[Key]] = {}
        self._standing: dict[str, object] = {}
        self._silent: dict[str, bool] = {}

    def on(self, node_name: str) -> AbstractSet[Key]:
        """Return the placements of a node."""
        return self._on.get(node_name, frozenset())

    def note(self, key: Key, raw: Raw | None) -> None:
        """Take in where a placement is; None: it is gone."""
        name = raw["spec"]["nodeName"] if raw is not None else None
        before = self._node_of.get(key)
        if before == name:
            return
        if before is not None:
            del self._node_of[key]
            self._on[before].discard(key)
            if not self._on[before]:
                del self._on[before]
                self._silent.pop(before, None)
        if name is not None:
            self._node_of[key] = name
            self._on.setdefault(name, set()).add(key)

    def is_another(self, node_name: str, node: Raw | None, truth: Raw | None) -> bool:
        """Say whether what was ordered about a node is another than when this was last asked."""
        standing = _standing(node, truth)
        changed = self._standing.get(node_name, standing) != standing
        self._standing[node_name] = standing
        if node is None and truth is None:
            del self._standing[node_name]
        return changed

    def turned(self, is_silent: Callable[[str], bool]) -> set[Key]:
        """Return the placements whose node turned silent, or is no longer, since this was asked."""
        found: set[Key] = set()
        for name, keys in self._on.items():
            silent = is_silent(name)
            if self._silent.get(name, silent) != silent:
                found |= keys
            self._silent[name] = silent
        return found


def _standing(node: Raw | None, truth: Raw | None) -> object:
    spec = (node or {}).get("spec") or {}
    return (
        (node or {}).get("metadata", {}).get("uid"),
        (node or {}).get("metadata", {}).get("deletionTimestamp"),
        spec.get("unschedulable"),
        spec.get("taints"),
        (truth or {}).get("spec"),
        ((truth or {}).get("status") or {}).get("liveVMs"),
    )
