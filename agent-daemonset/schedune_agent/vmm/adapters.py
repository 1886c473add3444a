"""The VMMs that this agent can run."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.vmm.cloud_hypervisor.adapter import CloudHypervisor
from schedune_agent.vmm.firecracker.adapter import Firecracker
from schedune_agent.vmm.markers import claim_in_name
from schedune_agent.vmm.port import Vmm
from schedune_agent.vmm.qemu.adapter import Qemu
from schedune_agent.vmm.qemu.argv import claim_in_options

_ALL: Final[tuple[Vmm, ...]] = (Qemu(), CloudHypervisor(), Firecracker())
_ADAPTERS: Final[Mapping[Backend, Vmm]] = MappingProxyType({one.backend: one for one in _ALL})


def adapter_of(backend: Backend) -> Vmm:
    """Return the adapter for a backend.

    Raises:
        LookupError: this agent has none.
    """
    try:
        return _ADAPTERS[backend]
    except KeyError as error:
        raise LookupError(f"this agent cannot run {backend.value}") from error


def read_claim(argv: Sequence[str]) -> Claim | None:
    """Return what a VM holds by its own command line; None: it does not say, or nonsense.

    Anybody may run anything under the name of a VMM.
    """
    return claim_in_name(argv) or claim_in_options(argv)
