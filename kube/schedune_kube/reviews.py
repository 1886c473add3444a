"""Who may read what we serve: the API server is asked, and its answer held for a moment."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from schedune_kube.client import KubeClient
from schedune_kube.resources import Resource

TOKEN_REVIEWS: Final = Resource(
    "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False
)
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
HELD_S: Final = 10.0
"""So long an answer counts: a right that was taken away works no longer than this."""
_MOST_HELD: Final = 512
_AT_ONCE: Final = 4
"""Strangers with made-up tokens must not keep the API server, or us, busy."""
_LONGEST_TOKEN: Final = 16_384


class Verdict(Enum):
    """What the API server says of whoever asks."""

    ALLOWED = "Allowed"
    UNKNOWN = "Unknown"
    """Its token proves nobody."""
    FORBIDDEN = "Forbidden"


@dataclass
class Reader:
    """Asks the API server whether the bearer of a token may list some collections everywhere."""

    client: KubeClient
    collections: Sequence[Resource]
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[bytes, tuple[float, Verdict]] = field(default_factory=dict, init=False)
    _turns: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False
    )

    async def judge(self, token: str) -> Verdict:
        """Say what the bearer may.

        Raises:
            ApiError: nobody knows; then nobody may.
        """
        if not token or len(token) > _LONGEST_TOKEN:
            return Verdict.UNKNOWN
        key = hashlib.sha256(token.encode()).digest()
        async with self._turns:
            held = self._held.get(key)
            if held is not None and self.monotonic() - held[0] < HELD_S:
                return held[1]
            verdict = await self._ask(token)
            self._keep(key, verdict)
        return verdict

    def _keep(self, key: bytes, verdict: Verdict) -> None:
        self._held.pop(key, None)
        while len(self._held) >= _MOST_HELD:
            del self._held[next(iter(self._held))]
        self._held[key] = (self.monotonic(), verdict)

    async def _ask(self, token: str) -> Verdict:
        told = await self._review(TOKEN_REVIEWS, {"token": token})
        if not told.get("authenticated") or told.get("error"):
            return Verdict.UNKNOWN
        user = told.get("user") or {}
        subject = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
        }
        for one in self.collections:
            asked = {"group": one.group, "resource": one.plural, "verb": "list"}
            answer = await self._review(ACCESS_REVIEWS, {**subject, "resourceAttributes": asked})
            if answer.get("allowed") is not True:
                return Verdict.FORBIDDEN
        return Verdict.ALLOWED

    async def _review(self, kind: Resource, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
        answer = await self.client.create(kind, body)
        return dict(answer.get("status") or {})
