"""The families of the VMM binaries, which share one look at the search path."""

from collections.abc import Sequence
from pathlib import Path

from schedune_agent.probes.binaries import BinarySearch
from schedune_agent.probes.family import Family
from schedune_agent.probes.qemu import BINARIES, QemuFamily
from schedune_agent.probes.vmm import CloudHypervisorFamily, FirecrackerFamily
from schedune_agent.system.place import HERE, Place

PROGRAMS = frozenset(
    {
        *(name for names in BINARIES.values() for name in names),
        *CloudHypervisorFamily.names,
        *FirecrackerFamily.names,
        *FirecrackerFamily.companions,
    }
)
"""Everything that is looked for."""


def vmm_families(
    architecture: str, folders: Sequence[Path], place: Place = HERE, run: Path | None = None
) -> list[Family]:
    """Return a family for each VMM; ``run`` is a folder that is the same here and there."""
    search = BinarySearch(sorted(PROGRAMS), folders, place)
    return [
        QemuFamily(architecture, search, run),
        CloudHypervisorFamily(architecture, search),
        FirecrackerFamily(architecture, search),
    ]
