"""When objects became what they shall become, as a watch of the bench has it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from rivals import NAMESPACE

from schedune_kube.client import KubeClient, Raw
from schedune_kube.reflector import Key, Reflector

_PATIENCE_S: Final = 300.0
"""How long nothing at all may happen before a measurement is given up."""


class Seen:
    """When each object of a kind first was what it shall become, as a watch of ours has it."""

    def __init__(self, client: KubeClient, resource: Any, is_done: Callable[[Raw], bool]) -> None:
        self.when: dict[str, float] = {}
        self._is_done = is_done
        self.mirror = Reflector(
            client, resource, namespace=NAMESPACE, on_change=self._note, remember=self._brief
        )

    def _brief(self, raw: Raw) -> Raw:
        kept = ("name", "namespace", "uid", "resourceVersion")
        names = {name: raw["metadata"].get(name) for name in kept}
        return {"metadata": names, "done": self._is_done(raw)}

    def _note(self, key: Key, raw: Raw | None) -> None:
        if raw is not None and key[1] not in self.when and raw["done"]:
            self.when[key[1]] = time.monotonic()

    async def all_of(self, names: set[str]) -> list[float]:
        """Wait until all are done; return when each was, in order."""
        done, since = len(self.when), time.monotonic()
        while not names <= self.when.keys():
            if len(self.when) > done:
                done, since = len(self.when), time.monotonic()
            if time.monotonic() > since + _PATIENCE_S:
                raise SystemExit(f"{len(names - self.when.keys())} are not done")
            await asyncio.sleep(0.05)
        return sorted(self.when[name] for name in names)


def is_bound(raw: Raw) -> bool:
    """Say whether a pod has a node."""
    return bool(raw["spec"].get("nodeName"))


def is_scheduled(raw: Raw) -> bool:
    """Say whether a workload has a node."""
    return _is_true(raw, "Scheduled")


def is_ready(raw: Raw) -> bool:
    """Say whether the VM of a workload runs."""
    return _is_true(raw, "Ready")


def _is_true(raw: Raw, wanted: str) -> bool:
    conditions = (raw.get("status") or {}).get("conditions", [])
    return any(one["type"] == wanted and one["status"] == "True" for one in conditions)
