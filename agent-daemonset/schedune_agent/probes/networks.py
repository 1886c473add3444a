"""The bridges to which taps go."""

from typing import Final

from schedune.api.nodetruth import NetworkFact
from schedune_agent.probes.family import Part
from schedune_agent.system.host_files import HostFiles

MOST_BRIDGES: Final = 64
_LONGEST_NAME: Final = 15
_DEVICES: Final = "/sys/class/net"


class NetworkFamily:
    """Lists the bridges; when it fails nobody knows them, and none would be a wrong answer."""

    name = "networks"
    deadline_s = 2.0
    answers_for = ()

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    async def __call__(self) -> Part:
        """Return the bridges by name, at most 64."""
        names = [
            name
            for name in self._files.names(_DEVICES)
            if len(name) <= _LONGEST_NAME and self._files.exists(f"{_DEVICES}/{name}/bridge")
        ]
        return Part(facts={"networks": [NetworkFact(name=name) for name in names[:MOST_BRIDGES]]})
