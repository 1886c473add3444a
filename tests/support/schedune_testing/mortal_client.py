"""A client of the API server whose process is killed right before or after one of its writes."""

from typing import Any

from schedune_kube.client import KubeClient

_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


class KilledError(BaseException):
    """The process is killed here."""


class MortalClient(KubeClient):
    """A client that is killed at the n-th moment before or after a write."""

    left = 0
    """After how many such moments; 0: never."""
    counts = ""
    """Only writes are counted that have this in their path."""

    async def _ask(self, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        if method not in _WRITES or self.counts not in path:
            return await super()._ask(method, path, *arguments, **options)
        self._reach()
        answer = await super()._ask(method, path, *arguments, **options)
        self._reach()
        return answer

    def _reach(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KilledError
