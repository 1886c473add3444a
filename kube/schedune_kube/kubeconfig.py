"""Credentials from a kubeconfig, by the official library."""

from pathlib import Path

from kubernetes import config
from kubernetes.client import Configuration

from schedune_kube.credentials import Credentials


class KubeconfigError(Exception):
    """There is no usable kubeconfig; the message names the file and the cause."""


def from_kubeconfig(path: Path | None = None, context: str | None = None) -> Credentials:
    """Read a kubeconfig: certificates, keys and tokens, by file or inline.

    Raises:
        KubeconfigError: the file is missing or not usable.
    """
    loaded = Configuration()
    try:
        config.load_kube_config(
            str(path) if path else None,
            context=context,
            client_configuration=loaded,
            persist_config=False,
        )
    except (config.ConfigException, OSError) as error:
        raise KubeconfigError(f"kubeconfig {path or 'of the environment'}: {error}") from error
    # The library calls a token BearerToken, and older versions of it authorization.
    bearer = loaded.get_api_key_with_prefix("BearerToken", "authorization") or ""
    return Credentials(
        server=loaded.host,
        ca_file=_path(loaded.ssl_ca_cert),
        token=bearer.removeprefix("Bearer ").strip() or None,
        client_certificate=_path(loaded.cert_file),
        client_key=_path(loaded.key_file),
    )


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None
