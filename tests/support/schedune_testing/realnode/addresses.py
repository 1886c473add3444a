"""Where everything of a real node is: addresses in its own network, folders in its own tree.

The network is a namespace of its own, so these never collide with another's. The API
server listens at the very address that pods are told (the first one of the services), so
no kube-proxy is needed (reference/daemonset-measured.md 1).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "node-1"
"""Of the Node."""
SERVER: Final = "10.96.0.1"
SERVICES: Final = "10.96.0.0/24"
NODE: Final = "10.97.0.1"
PODS: Final = "10.98.0.0/24"
LINK: Final = "lab-node0"
SERVER_PORT: Final = 443
ETCD_PORT, PEER_PORT, CONTROLLERS_PORT, SCHEDULER_PORT = 2379, 2380, 10257, 10259
CONTAINERD: Final = "/run/containerd/containerd.sock"
PAUSE: Final = "docker.io/library/schedune-pause:1"
"""Holds the namespaces of a pod."""


@dataclass(frozen=True)
class Tree:
    """Folders of one node, as they are named outside of it."""

    root: Path

    @property
    def var_lib(self) -> Path:
        """What is /var/lib inside."""
        return self.root / "var-lib"

    @property
    def var_log(self) -> Path:
        """What is /var/log inside."""
        return self.root / "var-log"

    @property
    def opt(self) -> Path:
        """What is /opt inside."""
        return self.root / "opt"

    @property
    def parts(self) -> Path:
        """What the node's first process shall run, a file each."""
        return self.root / "parts"

    @property
    def logs(self) -> Path:
        """What the parts say."""
        return self.root / "log"

    @property
    def images(self) -> Path:
        """The agent's image root, /var/lib/schedune/images inside."""
        return self.var_lib / "schedune" / "images"

    def make(self) -> None:
        """Make the folders."""
        for one in (self.var_lib, self.var_log, self.opt, self.parts, self.logs, self.images):
            one.mkdir(parents=True)
