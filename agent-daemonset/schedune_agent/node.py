"""Where placements are carried out: all that their workers share of one node."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schedune.api.nodetruth import NodeTruthStatus, OrphanAction
from schedune_agent.boot_files import BootFiles
from schedune_agent.guest_data import ReadSecret, no_secrets
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.identity import NodeIdentity
from schedune_agent.ledger import Ledger
from schedune_agent.record import RecordStore
from schedune_agent.settings import AgentSettings, VmUsersSettings
from schedune_agent.system.patience import Patience
from schedune_agent.system.place import HERE, Place
from schedune_agent.vmm.disk_making import CopyTurns


async def nothing_is_declared() -> None:
    """See nothing: there is nobody who could declare anything."""


def nothing_is_ordered() -> Sequence[OrphanAction]:
    """Return no order: there is nobody who could give one."""
    return ()


@dataclass(frozen=True)
class Node:
    """What a worker knows of where it works."""

    settings: AgentSettings
    identity: NodeIdentity
    records: RecordStore
    ledger: Ledger
    facts: Callable[[], NodeTruthStatus | None]
    clock: Callable[[], datetime]
    launches: bool
    """False on a recorded node: validate and prepare only."""
    contained: bool
    """Whether VMs get control groups of their own."""
    vm_users: VmUsersSettings | None = None
    """Whom VMs run as; None: they run as we do."""
    place: Place = HERE
    """Where VMs run."""
    read_secret: ReadSecret = no_secrets
    """How the Secrets are read that a guest's data come from."""
    look_at_declared: Callable[[], Awaitable[None]] = nothing_is_declared
    """How what administrators leave to VMs is seen as it is now."""
    boot_files: BootFiles = field(default_factory=BootFiles)
    """How kernels are looked at right before they start."""
    patience: Patience = field(default_factory=Patience)
    """How long is waited for what may hang."""
    copy_turns: CopyTurns = field(default_factory=CopyTurns)
    """How many disks are copied at once."""
    ordered: Callable[[], Sequence[OrphanAction]] = nothing_is_ordered
    """What administrators order about orphans, as it was last seen."""
    shutdown: HostShutdown | None = None
    """Whether the host goes down; None: this node is no host."""
