"""Who this node is: by its token, its machine and its boot, never by its host name."""

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MACHINE_ID: Final = Path("/etc/machine-id")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class IdentityError(Exception):
    """The token does not say which node we are on."""


class IdentityChangedError(Exception):
    """The token speaks for another Node than it did."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The node that we speak for."""

    name: str
    uid: str
    machine_id: str
    boot_id: str


def read_identity(token_file: Path) -> NodeIdentity:
    """Read who we are: node name and UID stand in our pod-bound token.

    Raises:
        IdentityError: the token is unreadable or not bound to a pod on a node.
    """
    node = _claims(token_file).get("kubernetes.io", {}).get("node")
    if not isinstance(node, dict) or not node.get("name") or not node.get("uid"):
        raise IdentityError(
            f"{token_file}: the token is not bound to a pod on a node (needs Kubernetes 1.32)"
        )
    return identify_machine(node["name"], node["uid"])


def identify_machine(name: str, uid: str) -> NodeIdentity:
    """Return the node of that name and UID, as the machine that we run on."""
    machine = _MACHINE_ID.read_text().strip() if _MACHINE_ID.exists() else ""
    return NodeIdentity(name, uid, machine or "unknown", _BOOT_ID.read_text().strip())


def _claims(token_file: Path) -> dict[str, dict[str, object]]:
    try:
        payload = token_file.read_text().strip().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (OSError, IndexError, ValueError, binascii.Error) as error:
        raise IdentityError(f"{token_file}: is no service account token: {error}") from error
    if not isinstance(claims, dict):
        raise IdentityError(f"{token_file}: its payload is no object")
    return claims
