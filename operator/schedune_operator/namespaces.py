"""What Namespaces say of the VMs in them: how much these may claim together, and who is refused."""

from collections.abc import Callable
from typing import Final

from schedune.fleet.quota import ANNOTATIONS, Quota, read_quota
from schedune_kube.client import KubeClient, Raw
from schedune_kube.reflector import Key, Reflector
from schedune_kube.resources import NAMESPACES

ADMISSION: Final = "schedune.io/admission"
"""Label of a Namespace: ``refuse`` turns the warning at admission into a refusal."""


class Namespaces:
    """A mirror of all Namespaces, of which only our words are kept."""

    def __init__(self, client: KubeClient, on_change: Callable[[], None]) -> None:
        self.quotas: dict[str, Quota] = {}
        """By name; one without limits is not there."""
        self._on_change = on_change
        self.mirror = Reflector(client, NAMESPACES, on_change=self._note, remember=_ours)

    def refuses(self, name: str) -> bool:
        """Say whether what no node can run is refused in a namespace."""
        raw = self.mirror.store.get(("", name))
        return raw is not None and raw["metadata"]["labels"].get(ADMISSION) == "refuse"

    def _note(self, key: Key, raw: Raw | None) -> None:
        quota = read_quota(raw["metadata"].get("annotations") or {}) if raw is not None else None
        if self.quotas.get(key[1]) == quota:
            return
        # A new mapping: a decision under way goes on with what it has read.
        others = {name: one for name, one in self.quotas.items() if name != key[1]}
        self.quotas = others if quota is None else {**others, key[1]: quota}
        self._on_change()


def _ours(raw: Raw) -> Raw:
    metadata = raw["metadata"]
    held = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    return {
        "metadata": {
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {name: held[name] for name in ANNOTATIONS if name in held},
            "labels": {ADMISSION: labels[ADMISSION]} if ADMISSION in labels else {},
        }
    }
