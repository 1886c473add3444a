"""Nodes without machines: a Node, a pod that is bound to it, and a token bound to that pod."""

import asyncio
from pathlib import Path
from typing import Any, Final

from schedune_kube.client import KubeClient
from schedune_kube.resources import NODES, PODS
from schedune_lab.state import Token
from schedune_lab.tokens import AGENTS, renew

ACCOUNT: Final = "schedune-agent"


def names_of(count: int) -> list[str]:
    """Return the names of so many nodes."""
    return [f"node-{number:05}" for number in range(count)]


async def make_nodes(client: KubeClient, names: list[str], tokens: Path) -> None:
    """Make them all, each with the file of its token.

    The tokens are for this run: their folder goes with the control plane.
    """
    await asyncio.gather(*(_make(client, name, tokens) for name in names))


async def _make(client: KubeClient, name: str, tokens: Path) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    await client.create(NODES, node)
    made = await client.create(PODS, _pod(name), AGENTS)
    file = str(tokens / f"{name}.token")
    await renew(client, [Token(file, ACCOUNT, f"agent-{name}", made["metadata"]["uid"])])


def _pod(node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"agent-{node}", "namespace": AGENTS},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "nodeName": node,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "agent", "image": "schedune.invalid/bench:none"}],
        },
    }
