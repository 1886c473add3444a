"""Credentials from a kubeconfig, by the official library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger
from yaml import YAMLError

from schedune_kube.credentials import Credentials
from schedune_kube.settings import SettingsError

_DEFAULT: Final = "of the environment"
_MALFORMED: Final = (TypeError, AttributeError, KeyError, IndexError)
"""What the library stumbles with where a value is of another type than it takes for granted."""
_OF_CLUSTER: Final[Mapping[str, str]] = {
    "insecure-skip-tls-verify": "give the cluster's certificate-authority instead",
    "proxy-url": "give a server URL that is reached without a proxy",
    "tls-server-name": "give a server URL whose name is in the server's certificate",
}
_AS_ANOTHER: Final = "give a user that has these rights itself"
_OF_USER: Final[Mapping[str, str]] = {
    "as": _AS_ANOTHER,
    "as-groups": _AS_ANOTHER,
    "as-uid": _AS_ANOTHER,
    "as-user-extra": _AS_ANOTHER,
}
"""Left out these would not merely fail: who acts as another would act with his own rights."""


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
        refused = _first_not_carried_out(path, context)
    except _UNUSABLE as error:
        raise _unusable(path, error) from error
    if refused:
        raise KubeconfigError(f"kubeconfig {path or _DEFAULT}: {refused}")
    # The library calls a token BearerToken, and older versions of it authorization.
    bearer = loaded.get_api_key_with_prefix("BearerToken", "authorization") or ""
    return Credentials(
        server=loaded.host,
        ca_file=_path(loaded.ssl_ca_cert),
        token=bearer.removeprefix("Bearer ").strip() or None,
        client_certificate=_path(loaded.cert_file),
        client_key=_path(loaded.key_file),
    )


def _first_not_carried_out(path: Path | None, context: str | None) -> str:
    """Name what the context asks for and we would not do, with a remedy; "": there is nothing."""
    whole = KubeConfigMerger(str(path) if path else KUBE_CONFIG_DEFAULT_LOCATION).config
    named = context or whole["current-context"]
    chosen = whole["contexts"].get_with_name(named)["context"]
    for kind, fields in (("cluster", _OF_CLUSTER), ("user", _OF_USER)):
        name = chosen.safe_get(kind)
        found = whole[f"{kind}s"].get_with_name(name, safe=True) if name else None
        given = found.safe_get(kind) if found is not None else None
        for field, remedy in fields.items():
            if (given or {}).get(field):
                return f"{kind} {name} has {field}, which Schedune does not do: {remedy}"
    return ""


def namespace_in(path: Path | None = None, context: str | None = None) -> str | None:
    """Return the namespace that a context names, or the current one; None: it names none.

    Raises:
        KubeconfigError: the file is there, and is no kubeconfig.
    """
    try:
        contexts, active = config.list_kube_config_contexts(str(path) if path else None)
        chosen = next((one for one in contexts if one["name"] == context), active)
        return str((chosen.get("context") or {}).get("namespace") or "") or None
    except config.ConfigException:
        return None
    except _UNUSABLE as error:
        raise _unusable(path, error) from error


def _unusable(path: Path | None, error: Exception) -> KubeconfigError:
    told = str(error)
    if isinstance(error, UnicodeDecodeError):
        told = f"is not UTF-8: {error}"
    elif isinstance(error, YAMLError):
        told = f"is not YAML: {error}"
    elif isinstance(error, OSError) and error.strerror:
        told = error.strerror
    elif isinstance(error, _MALFORMED):
        told = f"does not have the form of a kubeconfig ({error})"
    return KubeconfigError(f"kubeconfig {path or _DEFAULT}: {told}")


_UNUSABLE: Final = (
    config.ConfigException, OSError, UnicodeDecodeError, ValueError, YAMLError, *_MALFORMED,
)  # fmt: skip


def try_certificates(found: Credentials, path: Path | None) -> None:
    """Load what connections will load: here it is known which file names it.

    Raises:
        KubeconfigError: a certificate that the file names or holds is none.
    """
    where = f"kubeconfig {path or _DEFAULT}"
    try:
        found.tls()
    except SettingsError as error:
        told = f"its certificate-authority is no certificate: {error}"
        raise KubeconfigError(f"{where}: {told}") from error
    except OSError as error:
        told = f"its client-certificate and client-key cannot be used: {error}"
        raise KubeconfigError(f"{where}: {told}") from error


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None
