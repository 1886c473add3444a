"""Service account tokens in files: asked for, and put in place whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schedune_kube.client import KubeClient
from schedune_kube.resources import SERVICEACCOUNTS
from schedune_lab.state import Token

NAMESPACE: Final = "schedune-system"
AGENTS: Final = "schedune-agents"
"""Where the agents' pods are, whose account has to be there too."""
AGENT: Final = "schedune-agent"
_BOUND_LIFETIME_S: Final = 3600
_UNBOUND_LIFETIME_S: Final = 7 * 86400
"""The lab's own tokens: a machine that slept over the weekend can still renew the others."""


def namespace_of(account: str) -> str:
    """Return where an account of the lab's or of Schedune's is."""
    return AGENTS if account == AGENT else NAMESPACE


async def renew(client: KubeClient, tokens: Sequence[Token]) -> None:
    """Ask for fresh tokens and put each into its file."""
    for token in tokens:
        made = await client.create_subresource(
            SERVICEACCOUNTS,
            token.service_account,
            "token",
            _request(token),
            namespace_of(token.service_account),
        )
        path = Path(token.file)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(made["status"]["token"])
        fresh.replace(path)


def _request(token: Token) -> dict[str, Any]:
    spec: dict[str, Any] = {"expirationSeconds": _UNBOUND_LIFETIME_S}
    if token.pod:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": token.pod, "uid": token.pod_uid}
        spec = {"expirationSeconds": _BOUND_LIFETIME_S, "boundObjectRef": bound}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
