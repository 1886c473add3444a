"""How an installation wants to be decided: weights, limits, what may be used at all."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schedune.api.base import ApiModel
from schedune.api.choices import Backend, DiskFormat
from schedune.api.nodetruth import MOST_LIVE_VMS

Weight = Annotated[int, Field(ge=0, le=100)]
Version = Annotated[str, Field(max_length=32, pattern=r"^\d+\.\d+(\.\d+)?$")]


class Profile(StrEnum):
    """Where VMs go when several nodes can run them."""

    SPREAD = "Spread"
    PACK = "Pack"


class ScoreWeights(ApiModel):
    """By how much each score counts; 0 leaves it out."""

    resource_fit: Weight = 4
    """Room left after placing (Spread), or little of it (Pack)."""
    resource_balance: Weight = 1
    """vCPUs and memory used in the same proportion."""
    calm: Weight = 1
    """No active alarms."""
    backend_rank: Weight = 2
    """The backend that the intent prefers."""
    preferred_capabilities: Weight = 2
    """Capabilities that the intent would like."""
    preferred_affinity: Weight = 2
    """Labels that the intent would like."""
    topology_spread: Weight = 2
    """Places with few of the workloads that shall be spread."""
    artifacts_verified: Weight = 1
    """Artefacts whose digest is known already."""
    recent_failures: Weight = 3
    """No recent failure of this workload."""


class VersionFloor(ApiModel):
    """The lowest version of a backend that is launched at all."""

    name: Backend
    """The backend."""
    minimum: Version
    """The version."""
    line: Annotated[str, Field(max_length=16, pattern=r"^\d+\.\d+$")] | None = None
    """Holds for this release line only, for example 1.14; unset: for all others."""
    disk_format: DiskFormat | None = None
    """Holds for launches with such a disk only; unset: for all."""


def _floors() -> list[VersionFloor]:
    """Return the versions below which a guest breaks out or a disk breaks (runtimes.md 3, 4)."""
    return [
        VersionFloor(name=Backend.CLOUD_HYPERVISOR, minimum="51.2"),
        VersionFloor(name=Backend.CLOUD_HYPERVISOR, minimum="52.0", disk_format=DiskFormat.QCOW2),
        VersionFloor(name=Backend.FIRECRACKER, minimum="1.14.4", line="1.14"),
        VersionFloor(name=Backend.FIRECRACKER, minimum="1.15.1"),
    ]


class SchedulingPolicy(ApiModel):
    """What a decision depends on beside the fleet, the intent and the time."""

    profile: Profile = Profile.SPREAD
    """Spread VMs over the nodes, or pack them."""
    weights: ScoreWeights = Field(default_factory=ScoreWeights)
    """By how much each score counts."""
    vcpu_overcommit_percent: Annotated[int, Field(ge=100, le=3200)] = 100
    """How many vCPUs may be placed for each 100 that are declared."""
    max_vms_per_node: Annotated[int, Field(ge=1, le=MOST_LIVE_VMS)] = MOST_LIVE_VMS
    """How many VMs a node takes at most; its truth can list no more."""
    clock_skew_seconds: Annotated[int, Field(ge=0, le=3600)] = 5
    """How far in the future a proof of facts may lie before it is not believed."""
    failure_back_off_seconds: Annotated[int, Field(ge=1, le=86400)] = 15
    """How long a node is left out after the first failure of a workload; doubles with each."""
    failure_decay_seconds: Annotated[int, Field(ge=1, le=604800)] = 3600
    """How long a failure counts in the score after that."""
    backends: Annotated[list[Backend], Field(min_length=1, max_length=3)] = Field(
        default_factory=lambda: list(Backend)
    )
    """Backends that may be used at all; the default is what this version launches."""
    version_floors: Annotated[
        list[VersionFloor],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = Field(default_factory=_floors)
    """Versions below which a backend is not launched."""


DEFAULT_POLICY = SchedulingPolicy()
"""What holds where nobody says otherwise."""
