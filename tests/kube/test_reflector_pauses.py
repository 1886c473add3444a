"""How long a mirror waits before it lists again; what it lists is tested on a real API server."""

import asyncio
from typing import cast

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.errors import GoneError
from schedune_kube.reflector import Reflector
from schedune_kube.resources import VMPLACEMENTS

_MANY = 40


class Forgetful(Reflector):
    """A collection whose history is forgotten as soon as it was listed."""

    async def _relist(self) -> str:
        return "1"

    async def _follow(self, version: str) -> None:
        raise GoneError(f"{version} is too old")


async def test_a_history_that_is_forgotten_at_once_is_listed_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == _MANY:
            raise asyncio.CancelledError

    mirror = Forgetful(cast("KubeClient", None), VMPLACEMENTS)
    monkeypatch.setattr("schedune_kube.reflector.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await mirror.run()
    assert max(pauses) <= 10
    assert sum(pauses[:5]) < sum(pauses[-5:])
