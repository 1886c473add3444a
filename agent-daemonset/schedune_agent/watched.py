"""Where the facts of this node may change at any moment: watched, so that they follow at once."""

import re
from pathlib import Path
from typing import Final

from schedune_agent.probes.vmms import PROGRAMS
from schedune_agent.settings import AgentSettings
from schedune_agent.system.watching import Watched

_DEVICES: Final = re.compile(r"kvm|vhost-net|vhost-vsock|iommu|sev")
_BINARIES: Final = re.compile("|".join([*map(re.escape, sorted(PROGRAMS)), r"[0-9a-f]{8,64}"]))
"""The programs, and the folders named by a digest in which they may be."""


def watched_folders(settings: AgentSettings) -> list[Watched]:
    """Return the folders of devices, VMM binaries and images."""
    return [
        Watched(Path("/dev"), _DEVICES, contents=False),
        Watched(Path("/dev/net"), re.compile("tun"), contents=False),
        *(Watched(folder, _BINARIES) for folder in settings.search_path),
        *(Watched(root) for root in settings.image_roots),
    ]
