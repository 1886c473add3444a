"""Objects that a lab makes on a cluster: only where missing, remembered, taken away again.

What was there before is never touched: neither when the lab comes nor when it goes.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import AlreadyExistsError, ApiStatusError, ConflictError, NotFoundError
from schedune_kube.resources import Resource
from schedune_lab.progress import LabError, say

LAB_LABEL: Final = "schedune.io/lab"
"""Says which lab made an object, for one that was made and never written down."""
Manifest = Mapping[str, Any]
_GONE_S: Final = 120.0
_TELL_EVERY_S: Final = 10.0
_TROUBLES: Final = ("Failure", "Remaining", "Terminating")
"""How the conditions are called by which namespaces and definitions tell why they stay."""


@dataclass(frozen=True)
class Added:
    """An object that a lab made; without a UID: that it was about to make."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None
    uid: str | None = None

    @property
    def resource(self) -> Resource:
        """Where the API server keeps it."""
        group, _, version = self.api_version.rpartition("/")
        plural = _plural(self.kind)
        return Resource(group, version, plural, self.kind, namespaced=self.namespace is not None)

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"

    async def find(self, client: KubeClient) -> Raw | None:
        """Return what is on the cluster by this name; None: nothing."""
        try:
            return await client.get(self.resource, self.name, self.namespace)
        except NotFoundError:
            return None


def planned(manifest: Manifest) -> Added:
    """Return what would be made of a manifest."""
    metadata = manifest["metadata"]
    return Added(
        manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace")
    )


def _plural(kind: str) -> str:
    """Return the resource of a kind as Kubernetes itself guesses it."""
    singular = kind.lower()
    if singular.endswith("s"):
        return f"{singular}es"
    return f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"


class Additions:
    """Makes objects in a lab's name, and writes down each before and after."""

    def __init__(
        self,
        client: KubeClient,
        lab: str = "",
        remember: Callable[[Sequence[Added]], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.left: list[Added] = []
        self._lab = lab
        self._remember = remember
        self._added: list[Added] = []

    async def add(self, manifest: Manifest) -> Raw | None:
        """Make an object; None: there is one of that name, and it stays as it is.

        Raises:
            LabError: the server refused it; with its words.
        """
        one = planned(manifest)
        self._remember([*self._added, one])
        try:
            made = await self.client.create(one.resource, self._labelled(manifest), one.namespace)
        except AlreadyExistsError:
            self._remember(self._added)
            self.left.append(one)
            return None
        except ApiStatusError as error:
            self._remember(self._added)
            raise LabError(
                f"{one} cannot be made: {error}; set a lab up with an administrator's rights"
            ) from error
        self._added.append(replace(one, uid=made["metadata"]["uid"]))
        self._remember(self._added)
        return made

    async def add_new(self, manifest: Manifest) -> Raw:
        """Make an object that must not be there yet.

        Raises:
            LabError: it is there, or the server refused it.
        """
        made = await self.add(manifest)
        if made is None:
            raise LabError(f"{planned(manifest)} is there already, and it is not this lab's")
        return made

    def _labelled(self, manifest: Manifest) -> Raw:
        metadata = dict(manifest["metadata"])
        if self._lab:
            metadata["labels"] = {**metadata.get("labels", {}), LAB_LABEL: self._lab}
        return {**manifest, "metadata": metadata}


async def remove(client: KubeClient, lab: str, added: Sequence[Added]) -> None:
    """Delete what a lab added, the newest first, and wait until all of it is gone.

    Raises:
        LabError: something stays; says what, and what the API server says of it.
    """
    pending = []
    for one in reversed(added):
        uid = await _uid_if_ours(client, lab, one)
        if uid is None:
            continue
        try:
            await client.delete(one.resource, one.name, one.namespace, uid=uid)
        except (NotFoundError, ConflictError):
            continue  # gone, or gone and made anew by somebody else, since we looked
        pending.append(replace(one, uid=uid))
    await _wait_until_gone(client, pending)


async def _uid_if_ours(client: KubeClient, lab: str, one: Added) -> str | None:
    found = await one.find(client)
    if found is None:
        return None
    metadata = found["metadata"]
    label = metadata.get("labels", {}).get(LAB_LABEL)
    if metadata["uid"] == one.uid or (one.uid is None and label == lab):
        return str(metadata["uid"])
    say(f"{one} is not the one that this lab made: it stays")
    return None


async def _wait_until_gone(client: KubeClient, pending: list[Added]) -> None:
    started = told = time.monotonic()
    while True:
        found = [(one, await one.find(client)) for one in pending]
        kept = [(one, raw) for one, raw in found if raw and raw["metadata"]["uid"] == one.uid]
        if not kept:
            return
        pending = [one for one, _ in kept]
        now = time.monotonic()
        if now - started > _GONE_S:
            stuck = "; ".join(f"{one}: {_what_holds(raw)}" for one, raw in kept)
            raise LabError(f"not gone after {_GONE_S:.0f} s: {stuck}; repair it and run down again")
        if now - told > _TELL_EVERY_S:
            told = now
            say(f"waiting until these are gone: {', '.join(map(str, pending))}")
        await asyncio.sleep(0.3)


def _what_holds(found: Raw) -> str:
    """Return why a deleted object is still there, in the API server's words."""
    conditions = (found.get("status") or {}).get("conditions") or []
    words = [
        one["message"]
        for one in conditions
        if one.get("status") == "True" and one["type"].endswith(_TROUBLES) and "message" in one
    ]
    holders = found["metadata"].get("finalizers") or found.get("spec", {}).get("finalizers") or []
    return "; ".join(words) or f"held by {', '.join(holders) or 'nothing that it tells'}"
