"""One node as the caller knows it, before it becomes a row of the fleet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schedune.api.nodetruth import NodeTruth


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of the Kubernetes Node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A Kubernetes Node, its truth, and when that truth was last vouched for."""

    name: str
    uid: str
    truth: NodeTruth | None
    last_proof: datetime | None
    """When a heartbeat that repeats exactly these facts' digest was last seen, on the
    caller's clock; None: never."""
    lease_seconds: int
    """A proof older than this is stale, whatever the intent says."""
    node_ready: bool | None = True
    """The Node's condition Ready; None: it says nothing."""
    unschedulable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What one placement that is not ended holds on its node."""

    node_name: str
    placement_uid: str
    vcpus: int
    memory_bytes: int
    """Guest memory and the VMM's overhead."""
