"""Kubeconfig files: those that the lab writes, and what it needs to know of a given one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from schedune_lab.certificates import Pair
from schedune_lab.progress import LabError

_UNUSABLE: Final[Mapping[str, str]] = {
    "insecure-skip-tls-verify": "give the cluster's certificate-authority instead",
    "as": "the set-up needs its user's own rights: give a user that has them",
    "proxy-url": "the lab's parts go to the API server directly: give its own URL",
    "tls-server-name": "give a server URL whose name is in the server's certificate",
}


def write_kubeconfig(
    path: Path,
    server: str,
    authority: Path,
    *,
    pair: Pair | None = None,
    token_file: Path | None = None,
) -> None:
    """Write a kubeconfig with one cluster, one user and a context of both."""
    user: dict[str, str] = {}
    if pair is not None:
        user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    if token_file is not None:
        user = {"tokenFile": str(token_file)}
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": "lab",
                        "cluster": {"server": server, "certificate-authority": str(authority)},
                    }
                ],
                "users": [{"name": "user", "user": user}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
                "current-context": "lab",
            }
        )
    )


def read_server(path: Path, context: str | None) -> tuple[str, str]:
    """Return a context's name and the URL of its server, after a look at what we cannot do.

    Raises:
        LabError: names the file, the value and the remedy.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabError(f"the kubeconfig {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise LabError(f"{path} is no kubeconfig: give a file with clusters, users and contexts")
    name = str(context or content.get("current-context") or "")
    if not name:
        raise LabError(f"{path} has no current-context: name one by --context")
    chosen = _named(content, "context", name, path)
    cluster = _named(content, "cluster", chosen.get("cluster"), path)
    user = _named(content, "user", chosen.get("user"), path)
    server = str(cluster.get("server", ""))
    if not server.startswith("https://"):
        raise LabError(
            f"{path}: the server of context {name} is {server!r}; the lab's tokens go by https only"
        )
    for field, remedy in _UNUSABLE.items():
        if {**user, **cluster}.get(field):
            raise LabError(f"{path}: {field} of context {name} cannot be used; {remedy}")
    return name, server.rstrip("/")


def _named(content: Mapping[str, Any], kind: str, name: object, path: Path) -> Mapping[str, Any]:
    """Return a context, cluster or user of a kubeconfig by its name."""
    entries = [one for one in content.get(f"{kind}s") or [] if isinstance(one, dict)]
    for one in entries:
        if one.get("name") == name and isinstance(one.get(kind), dict):
            return dict(one[kind])
    known = ", ".join(str(one.get("name")) for one in entries)
    raise LabError(f"{path} has no {name!r} among its {kind}s; it has: {known or 'none'}")
