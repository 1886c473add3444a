"""A cluster of one real node: control plane, scheduler, containerd and kubelet in a machine
of our own, and the images of the product.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schedune_lab.controlplane import Layout
from schedune_lab.debian import NODE_PACKAGES, Unpacked, environment_of, unpack
from schedune_lab.machine import ensure_busybox
from schedune_lab.toolchain import find_node_binaries
from schedune_testing.realnode import containers, kubernetes
from schedune_testing.realnode.addresses import CONTAINERD, NAME
from schedune_testing.realnode.images import image_archives, reference
from schedune_testing.realnode.machine import Machine, running_machine

TAG: Final = "0.1.0"
"""Of the images as they are built."""
_READY_S: Final = 180.0


@dataclass(frozen=True)
class RealNode:
    """A Node named node-1 with its own control plane, Ready."""

    machine: Machine
    layout: Layout
    _packages: Unpacked

    def kubectl(
        self, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, whatever comes of it."""
        return self.machine.run(
            str(self.layout.kubectl),
            f"--kubeconfig={self.layout.admin_kubeconfig}",
            f"--cache-dir={self.layout.folder / 'kubectl-cache'}",
            *arguments,
            stdin=stdin,
        )

    def do(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl, and return what it says."""
        done = self.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of them; empty where it is not there."""
        done = self.kubectl("get", "-o", "json", "--ignore-not-found", *arguments)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}

    def ctr(self, *arguments: str) -> str:
        """Ask containerd about its containers of Kubernetes."""
        ctr = str(self._packages.program("ctr"))
        done = self.machine.run(ctr, "-a", CONTAINERD, "-n", "k8s.io", *arguments)
        assert done.returncode == 0, f"ctr {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def tag_images(self, tag: str) -> None:
        """Give the product's images one more tag."""
        for target in ("operator", "agent"):
            self.ctr("images", "tag", reference(target, TAG), reference(target, tag))


@contextmanager
def running_node(folder: Path) -> Iterator[RealNode]:
    """Run a node as long as the context lasts.

    Everything is fetched and built before the node starts.
    """
    binaries, packages = find_node_binaries(), unpack("node", NODE_PACKAGES)
    archives = image_archives(TAG)
    with running_machine(folder) as machine:
        layout, _ = kubernetes.control_plane(machine.tree, binaries)
        node = RealNode(machine, layout, packages)
        argv = containers.containerd_argv(machine.tree, packages)
        machine.run_part("containerd", argv, environment_of(packages))
        for name, part in kubernetes.control_plane_parts(layout).items():
            machine.run_part(name, part)
        pause = folder / "pause.tar"
        containers.write_pause(ensure_busybox(), pause)
        _await(node, "containerd", lambda: _answers(node))
        for archive in (pause, *archives):
            node.ctr("images", "import", "--snapshotter=overlayfs", str(archive))
        _await(node, "kube-apiserver", lambda: _is_served(node))
        machine.run_part("kubelet", kubernetes.kubelet_argv(layout))
        _await(node, "kubelet", lambda: _is_ready(node))
        yield node


def _await(node: RealNode, part: str, question: Any) -> None:
    deadline = time.monotonic() + _READY_S
    while not question():
        if time.monotonic() > deadline:
            log = node.machine.tree.logs / f"{part}.log"
            words = log.read_text(errors="replace")[-3000:] if log.exists() else "no log"
            raise AssertionError(f"waited in vain for {part}: {words}")
        time.sleep(0.1)


def _answers(node: RealNode) -> bool:
    ctr = str(node._packages.program("ctr"))
    return node.machine.run(ctr, "-a", CONTAINERD, "version").returncode == 0


def _is_served(node: RealNode) -> bool:
    return node.kubectl("get", "--raw", "/readyz").returncode == 0


def _is_ready(node: RealNode) -> bool:
    """Ready comes before pods can be made: their namespace needs its account too."""
    found = node.kubectl("get", "node", NAME, "-o", "json")
    if found.returncode != 0 or node.kubectl("get", "serviceaccount", "default").returncode != 0:
        return False
    conditions = json.loads(found.stdout).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
