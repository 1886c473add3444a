"""Set a cluster up for a lab: definitions, rights, nodes, tokens, the parts' settings.

The one place that acts with the rights of the set-up. From its end on the lab acts as
its own service accounts only.
"""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

from schedune_kube.client import KubeClient
from schedune_kube.resources import NODETRUTHS
from schedune_lab.cluster import Access, install_with
from schedune_lab.kubeconfig import write_kubeconfig
from schedune_lab.nodes import THIS_MACHINE, LabNode, add_node, keeper_rights, lab_nodes
from schedune_lab.objects import Additions
from schedune_lab.progress import LabError, say
from schedune_lab.settings import Told, put_images
from schedune_lab.state import Facts, Part, State, Token
from schedune_lab.tokens import AGENT, NAMESPACE, namespace_of, renew

_TOKENS_S: Final = 30.0
_TRUTHS_S: Final = 60.0
OPERATORS_LEASE: Final = "schedune-operator"


async def set_up(state: State, facts: Facts, access: Access, parts: list[Part]) -> int:
    """Set a cluster up, let the supervisor start the parts, and return the number of nodes."""
    async with access.setup.client() as client:
        additions = Additions(client, facts.lab, state.write_added)
        nodes = lab_nodes()
        await _install(additions, nodes)
        own = await _give_identities(client, state, access)
        state.write_nodes([await add_node(additions, node) for node in nodes])
        pods = await _add_pods(additions, state, nodes)
        state.write_tokens([*own, *pods])
        await _await_files([Path(one.file) for one in pods])
        put_images(state.folder / "images")
        told = Told(state.folder, access, Path(facts.runs), facts.ports)
        state.write_parts([*parts, told.operator(), *(told.agent(node) for node in nodes)])
        say("operator and agents are starting")
        await _await_truths(client, [node.name for node in nodes])
    return len(nodes)


async def _install(additions: Additions, nodes: list[LabNode]) -> None:
    await install_with(additions)
    for manifest in keeper_rights([node.name for node in nodes]):
        await additions.add(manifest)
    # The operator would make it: made here, it is known whether it was there before.
    metadata = {"name": OPERATORS_LEASE, "namespace": NAMESPACE}
    await additions.add(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}
    )
    if additions.left:
        say(f"left as they are: {', '.join(map(str, additions.left))}")
    say("definitions, rights and policies are in place")


async def _give_identities(client: KubeClient, state: State, access: Access) -> list[Token]:
    """Make the kubeconfigs of the lab and of its user, each by a token in a file."""
    tokens = []
    for file, account in (("lab", "schedune-lab"), ("user", "schedune-lab-user")):
        token = state.folder / f"{file}.token"
        tokens.append(Token(str(token), account))
        write_kubeconfig(
            state.folder / f"{file}.kubeconfig", access.server, access.authority, token_file=token
        )
    await renew(client, tokens)
    return tokens


async def _add_pods(additions: Additions, state: State, nodes: list[LabNode]) -> list[Token]:
    """Make the pods to which the parts' tokens are bound."""
    wanted = [("operator", "schedune-operator", THIS_MACHINE)]
    wanted += [(f"agent-{node.name}", AGENT, node.name) for node in nodes]
    tokens = []
    for name, account, node_name in wanted:
        made = await additions.add_new(_pod(name, account, node_name))
        file = str(state.folder / f"{name}.token")
        tokens.append(Token(file, account, name, made["metadata"]["uid"]))
    return tokens


def _pod(name: str, service_account: str, node: str) -> dict[str, Any]:
    """Nobody runs it: it goes at once, outlasts its node's silence, and asks for nothing."""
    container = {
        "name": "schedune",
        "image": "schedune.invalid/lab:none",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace_of(service_account)},
        "spec": {
            "serviceAccountName": service_account,
            "nodeName": node,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        },
    }


async def _await_files(paths: list[Path]) -> None:
    deadline = time.monotonic() + _TOKENS_S
    while not all(path.exists() for path in paths):
        if time.monotonic() > deadline:
            raise LabError(f"the supervisor wrote no tokens in {_TOKENS_S:.0f} s; see its log")
        await asyncio.sleep(0.1)


async def _await_truths(client: KubeClient, nodes: list[str]) -> None:
    """Wait until every node's facts are there and fresh.

    Raises:
        LabError: one is missing; names it.
    """
    deadline = time.monotonic() + _TRUTHS_S
    while True:
        truths, _ = await client.list(NODETRUTHS)
        fresh = {one["metadata"]["name"] for one in truths if _is_fresh(one)}
        missing = [name for name in nodes if name not in fresh]
        if not missing:
            return
        if time.monotonic() > deadline:
            raise LabError(f"no fresh NodeTruth of {', '.join(missing)} after {_TRUTHS_S:.0f} s")
        await asyncio.sleep(0.3)


def _is_fresh(truth: dict[str, Any]) -> bool:
    conditions = (truth.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Fresh" and one["status"] == "True" for one in conditions)
