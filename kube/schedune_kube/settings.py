"""What a process is told: one YAML file, checked whole before anything starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from schedune.api.base import field_name
from schedune.api.crd.schema import structural
from schedune.api.written import all_fields, meant, misfits


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
_MOST_TOLD: Final = 8
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
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path}: cannot be read: {told}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    shape = structural(model, with_defaults=False)
    wrong = {one.path: _tell(one.path, one.value, one.message) for one in misfits(said, shape)}
    if isinstance(said, dict):
        said = {**(defaults or {}), **said}
    try:
        found = model.model_validate(said, by_alias=True, by_name=False)
    except ValidationError as error:
        refused = {_path(one): _tell_refusal(model, one) for one in error.errors()}
        raise _error(path, {**refused, **wrong}) from error
    if wrong:
        raise _error(path, wrong)
    return found


def _error(path: Path, wrong: Mapping[tuple[str, ...], str]) -> SettingsError:
    return SettingsError(f"{path}: {'; '.join([*wrong.values()][:_MOST_TOLD])}")


def _tell_refusal(model: type[Settings], detail: ErrorDetails) -> str:
    if detail["type"] != "extra_forbidden":
        return _tell(_path(detail), detail["input"], detail["msg"])
    near = meant(str(detail["loc"][-1]), all_fields(model))
    remedy = f": did you mean {near}?" if near else ""
    return _tell(_path(detail), detail["input"], f"there is no such field{remedy}")


def _path(detail: ErrorDetails) -> tuple[str, ...]:
    return tuple(str(part) for part in detail["loc"])


def _tell(path: tuple[str, ...], value: object, message: str) -> str:
    return f"{'.'.join(path) or 'the file'}: got {str(value)[:60]!r}: {message}"
