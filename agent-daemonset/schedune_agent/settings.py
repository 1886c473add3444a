"""What the agent is told: one YAML file, checked whole before anything starts."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from schedune.api.base import Quantity, field_name


class SettingsError(Exception):
    """The settings cannot be used; the message names file, field, value and remedy."""


class _Settings(BaseModel):
    model_config = ConfigDict(
        alias_generator=field_name,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )


class KubernetesSettings(_Settings):
    """Where the API server is."""

    server: Annotated[str, Field(pattern=r"^https://")]
    """URL of the API server."""
    ca_file: Path
    """Certificate that proves it."""
    token_file: Path
    """Our pod-bound token; its owner renews it, we read it again."""


class CapacitySettings(_Settings):
    """What this node offers to VMs (design.md 4)."""

    vcpus: Annotated[int, Field(ge=0)]
    """Virtual CPUs."""
    memory: Quantity
    """Memory, the VMMs' overhead included."""
    disk: Quantity = "0"
    """Disk."""


class AgentSettings(_Settings):
    """Everything that one agent is told."""

    kubernetes: KubernetesSettings
    """Where the API server is."""
    cluster_uid: Annotated[
        str, Field(alias="clusterUID", min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    ]
    """UID of the namespace kube-system: VMs of other clusters are not ours."""
    heartbeat_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How often the Lease is renewed."""
    lease_duration_seconds: Annotated[int, Field(ge=1, le=86400)] = 180
    """How long a heartbeat vouches for the facts."""
    probe_period_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    """How often the facts are looked at."""
    image_roots: Annotated[list[Path], Field(max_length=8)] = Field(
        default_factory=lambda: [Path("/var/lib/schedune/images")]
    )
    """Folders whose files are artefacts."""
    run_directory: Path = Path("/run/schedune")
    """Where control sockets are, one folder per placement."""
    state_directory: Path = Path("/var/lib/schedune")
    """Where launch records are; must outlive a restart of the agent."""
    capacity: CapacitySettings | None = None
    """What this node offers; unset: undeclared."""
    containment: Literal["Auto", "Session"] = "Auto"
    """Auto: a cgroup where the agent may make one; Session: never."""
    facts_file: Path | None = None
    """Replay only: recorded facts, a NodeTruth manifest."""


def read_settings(path: Path) -> AgentSettings:
    """Read a settings file.

    Raises:
        SettingsError: the file is missing, no YAML, or says something wrong.
    """
    try:
        content = yaml.safe_load(path.read_text())
        return AgentSettings.model_validate(content)
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
