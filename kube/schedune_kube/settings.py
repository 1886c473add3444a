"""What a process is told: one YAML file, checked whole before anything starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from schedune.api.base import field_name


class SettingsError(Exception):
    """The settings cannot be used; the message names file, field, value and remedy."""


class Settings(BaseModel):
    """A part of a settings file: spelt as the API is, and an unknown field is an error."""

    model_config = ConfigDict(
        alias_generator=field_name,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )


class KubernetesSettings(Settings):
    """Where the API server is."""

    server: Annotated[str, Field(pattern=r"^https://")]
    """URL of the API server."""
    ca_file: Path
    """Certificate that proves it."""
    token_file: Path
    """Our token; its owner renews it, we read it again."""


_POD_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts the token of a pod's account, and renews it in place."""
T = TypeVar("T", bound=Settings)


def kubernetes_of_pod(environment: Mapping[str, str]) -> KubernetesSettings | None:
    """Return where the API server of our pod is, and what the kubelet mounted; None: no pod."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        return None
    address = f"[{host}]" if ":" in host else host
    return KubernetesSettings(
        server=f"https://{address}:{port}",
        ca_file=_POD_ACCOUNT / "ca.crt",
        token_file=_POD_ACCOUNT / "token",
    )


def read_settings_file(path: Path, model: type[T], defaults: Mapping[str, Any] | None = None) -> T:
    """Read a settings file; what it does not say is as in ``defaults``, else as the model says.

    Raises:
        SettingsError: the file is missing, no YAML, or says something wrong.
    """
    try:
        said = yaml.safe_load(path.read_text()) or {}
        if isinstance(said, dict):
            said = {**(defaults or {}), **said}
        return model.model_validate(said)
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path}: cannot be read: {told}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    except ValidationError as error:
        told = "; ".join(_tell(one) for one in error.errors()[:8])
        raise SettingsError(f"{path}: {told}") from error


def _tell(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the file"
    return f"{where}: got {str(detail['input'])[:60]!r}: {detail['msg']}"
