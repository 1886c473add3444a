"""What the operator is told: one YAML file, checked whole before anything starts."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from schedune.api.base import field_name
from schedune.api.scheduling_policy import SchedulingPolicy


class SettingsError(Exception):
    """The settings cannot be used; the message names file, field, value and remedy."""


class _Settings(BaseModel):
    model_config = ConfigDict(
        alias_generator=field_name, populate_by_name=True, extra="forbid", frozen=True,
        use_attribute_docstrings=True,
    )  # fmt: skip


class KubernetesSettings(_Settings):
    """Where the API server is."""

    server: Annotated[str, Field(pattern=r"^https://")]
    """URL of the API server."""
    ca_file: Path
    """Certificate that proves it."""
    token_file: Path
    """Our token; its owner renews it, we read it again."""


class LeaderSettings(_Settings):
    """Seconds of the leader election (reference/kopf.md 5.3)."""

    duration_seconds: Annotated[int, Field(ge=2)] = 15
    """How long a silent leader still counts."""
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10
    """How long after its last renewal a leader still acts; below the duration."""
    retry_seconds: Annotated[float, Field(gt=0)] = 2
    """How often the Lease is renewed, or tried."""
    margin_seconds: Annotated[float, Field(gt=0)] = 3
    """A write starts only if leadership lasts this much longer."""


class OperatorSettings(_Settings):
    """Everything the operator is told."""

    kubernetes: KubernetesSettings | None = None
    """Where the API server is; unset: the pod's own service account."""
    lease_poll_seconds: Annotated[float, Field(gt=0, le=300)] = 15
    """How often the nodes' heartbeats are looked at."""
    tick_seconds: Annotated[float, Field(gt=0, le=300)] = 5
    """How often everything is looked at even when nothing changed."""
    sweep_seconds: Annotated[float, Field(gt=0, le=86400)] = 300
    """How often workloads are listed anew, for what a watch lost."""
    leader: LeaderSettings = Field(default_factory=LeaderSettings)
    """Leader election."""
    policy: SchedulingPolicy = Field(default_factory=SchedulingPolicy)
    """How nodes are judged and scored."""


def read_settings(path: Path | None) -> OperatorSettings:
    """Read a settings file; without one the defaults hold.

    Raises:
        SettingsError: the file is missing, no YAML, or says something wrong.
    """
    if path is None:
        return OperatorSettings()
    try:
        return OperatorSettings.model_validate(yaml.safe_load(path.read_text()) or {})
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    except ValidationError as error:
        told = "; ".join(_tell(one) for one in error.errors()[:8])
        raise SettingsError(f"{path}: {told}") from error


def _tell(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the file"
    return f"{where}: got {str(detail['input'])[:60]!r}: {detail['msg']}"
