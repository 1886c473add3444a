"""What the caller hands over: nodes as it knows them, and what placements hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import NodeTruth
from schedune.fleet.peers import NOBODY, Peer

OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
"""Key of the taint with which an administrator says that a machine is off."""

MOST_LEASE_SECONDS: Final = 900
"""However long a node says that its heartbeat counts: it may not vouch for itself for ever."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of the Kubernetes Node."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


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
    """A proof older than this is stale, whatever the intent says; ``MOST_LEASE_SECONDS`` at
    most."""
    node_ready: bool | None = True
    """The Node's condition Ready; None: it says nothing."""
    unschedulable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    last_heard: datetime | None = None
    """When its Lease was last seen renewed, whatever it vouches for; None: never."""
    clock_ahead_seconds: int = 0
    """By how much the node's clock, which dates its facts, is ahead of the caller's."""


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What one placement that is not ended holds on its node."""

    node_name: str
    placement_uid: str
    vcpus: int
    memory_bytes: int
    """Ordinary memory: the VMM's overhead, and the guest's unless huge pages back it."""
    disk_bytes: int = 0
    hugepage_size: int = 0
    hugepage_bytes: int = 0
    """Guest memory that is backed by huge pages of that size."""
    guest_bytes: int = 0
    """Guest memory, whatever backs it: what quotas count."""
    quota_vcpus: int | None = None
    """The same of vCPUs; None: all of them."""
    vms: int = 1
    """How many VMs of its node it counts as."""
    namespace: str = ""
    namespace_uid: str = ""
    """UID of the namespace; "": not known, so that its name has to do."""
    workload: str = ""
    """Name of the workload, which is the placement's own."""
    persistent_disks: frozenset[str] = frozenset()
    """Names of the Persistent disks whose room is in ``disk_bytes``."""
    workload_uid: str = ""
    node_ports: frozenset[str] = frozenset()
    """Ports of the node that lead into the guest, as ``fleet.ports`` names them."""
    peer: Peer = NOBODY
    """What rules between workloads ask of this one: anti-affinity and spread."""
