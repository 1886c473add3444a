"""Kubeconfig files of the lab."""

from pathlib import Path

import yaml

from schedune_lab.certificates import Pair


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
