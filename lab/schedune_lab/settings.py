"""What the lab's parts are told: one settings file each, and the command line that reads it."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from schedune_lab.bare_kernel import write_bare_kernel
from schedune_lab.cluster import Access
from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel
from schedune_lab.nodes import LabNode
from schedune_lab.progress import LabError, say
from schedune_lab.state import Part, Ports

HEARTBEAT_S: Final = 2
LEASE_S: Final = 8
_MEBI: Final = 2**20


@dataclass(frozen=True)
class Told:
    """What all parts of one lab have in common."""

    folder: Path
    access: Access
    runs: Path
    ports: Ports

    def operator(self) -> Part:
        """Return the operator, which is quicker here than in a large cluster."""
        settings = {
            "kubernetes": self._kubernetes("operator"),
            "leasePollSeconds": 1,
            "tickSeconds": 1,
            "sweepSeconds": 10,
            "observability": {"port": self.ports.operator},
            "fleetPage": {"port": self.ports.fleet_page},
            "leader": {
                "durationSeconds": 6,
                "renewDeadlineSeconds": 4,
                "retrySeconds": 1,
                "marginSeconds": 0.5,
            },
        }
        return self._part("operator", settings, "schedune_operator")

    def agent(self, node: LabNode) -> Part:
        """Return a node's agent: a real one for this machine, a replay for a recorded node."""
        name = f"agent-{node.name}"
        settings: dict[str, Any] = {
            "kubernetes": self._kubernetes(name),
            "heartbeatSeconds": HEARTBEAT_S,
            "leaseDurationSeconds": LEASE_S,
            "probePeriodSeconds": 5,
            "writeGapSeconds": 1,
            "firstDelaySeconds": 0,
            "imageRoots": [str(self.folder / "images")],
            "runDirectory": str(self.runs / node.name),
            "stateDirectory": str(self.folder / "agents" / node.name),
        }
        if node.facts is None:
            here = {
                "capacity": offered_capacity(self.folder),
                "observability": {"port": self.ports.agent},
            }
            return self._part(name, settings | here, "schedune_agent", "run")
        replayed = {"factsFile": str(node.facts), "observability": None}
        return self._part(name, settings | replayed, "schedune_agent", "replay")

    def _kubernetes(self, name: str) -> dict[str, str]:
        token = self.folder / f"{name}.token"
        authority = str(self.access.authority)
        return {"server": self.access.server, "caFile": authority, "tokenFile": str(token)}

    def _part(self, name: str, settings: Mapping[str, Any], module: str, *verb: str) -> Part:
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings))
        return Part(name, [sys.executable, "-m", module, *verb, "--settings", str(path)])


def offered_capacity(folder: Path) -> dict[str, object]:
    """Return what this machine offers to the lab's VMs: its CPUs and half of what is free."""
    memory = psutil.virtual_memory().available // 2 // _MEBI
    disk = psutil.disk_usage(str(folder)).free // 2 // _MEBI
    return {
        "vcpus": os.cpu_count() or 1,
        "memory": f"{min(memory, 4096)}Mi",
        "disk": f"{min(disk, 8192)}Mi",
    }


def put_images(folder: Path) -> None:
    """Put kernels and an initrd where the lab's agents look for artefacts."""
    folder.mkdir()
    kernel = ensure_kernel()
    shutil.copyfile(kernel.image, folder / "lab-kernel")
    try:
        write_bare_kernel(kernel.image, folder / "lab-bare-kernel")
    except LabError as error:
        say(f"without lab-bare-kernel, no VM under Firecracker can run here: {error}")
    build_initrd(ensure_busybox(), kernel, folder / "lab-initrd")
