"""What a lab must do again and again as itself: renew its tokens, speak for its Nodes.

In a thread of its own, so that an API server that does not answer delays no part's start.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError, ApiStatusError, UnauthorizedError
from schedune_kube.kubeconfig import KubeconfigError, from_kubeconfig
from schedune_lab.nodes import speak_for
from schedune_lab.progress import say
from schedune_lab.state import State, Token
from schedune_lab.tokens import renew

_LOOK_S: Final = 0.25
_SHORTEST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_RENEW_S: Final = 900.0
_BEAT_S: Final = 10.0
_BEATS_PER_STATUS: Final = 6
"""A Node's status once a minute: it brings a Node back that a controller gave up."""


def start_upkeep(state: State) -> None:
    """Keep a lab's tokens and Nodes alive as long as this process lives."""
    threading.Thread(target=lambda: asyncio.run(_keep(state)), name="upkeep", daemon=True).start()


async def _keep(state: State) -> None:
    pause = _SHORTEST_PAUSE_S
    while True:
        tokens = state.tokens()
        if not tokens:
            await asyncio.sleep(_LOOK_S)
            continue
        whole = False
        try:
            whole = await _keep_for_a_while(state, tokens, pause)
        except (ApiError, KubeconfigError, OSError) as error:
            say(f"tokens and nodes were not kept alive: {error}")
            await asyncio.sleep(pause)
        pause = _SHORTEST_PAUSE_S if whole else min(pause * 2, _LONGEST_PAUSE_S)


async def _keep_for_a_while(state: State, tokens: list[Token], pause: float) -> bool:
    """Renew all tokens, our own too, and speak for the Nodes until tokens are due again.

    Returns:
        Whether every token was renewed; else the while was only the pause.
    """
    credentials = from_kubeconfig(state.folder / "lab.kubeconfig")
    nodes = state.nodes()
    async with KubeClient(credentials, field_manager="schedune-lab") as client:
        done = [await _tried(Path(one.file).name, renew(client, [one])) for one in tokens]
        whole, beats = all(done), 0
        until = time.monotonic() + (_RENEW_S if whole else pause)
        while time.monotonic() < until:
            with_status = beats % _BEATS_PER_STATUS == 0
            for node in nodes:
                await _tried(f"Node {node.name}", speak_for(client, node, with_status=with_status))
            beats += 1
            await asyncio.sleep(min(_BEAT_S, until - time.monotonic()))
    return whole


async def _tried(what: str, act: Awaitable[None]) -> bool:
    """Do it, and let what is refused for one token or Node not stop the others."""
    try:
        await act
    except UnauthorizedError:
        raise
    except ApiStatusError as error:
        say(f"{what} was not kept alive: {error}")
        return False
    return True
