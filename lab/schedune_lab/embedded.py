"""A lab's own control plane, started part by part under its supervisor."""

from pathlib import Path

from schedune_lab import controlplane
from schedune_lab.cluster import Access, Setup
from schedune_lab.controlplane import PartName
from schedune_lab.progress import say
from schedune_lab.state import Part, State


def start(state: State, binaries: Path) -> tuple[Access, list[Part]]:
    """Start etcd, API server and controllers, each when the one before it answers.

    Raises:
        LabError: one did not start, or somebody else answers in its place.
    """
    layout, _ = controlplane.prepare(state.folder, binaries)
    parts: list[Part] = []

    def add(name: PartName) -> None:
        parts.append(Part(name, controlplane.argv_of(name, layout)))
        state.write_parts(parts)

    add("etcd")
    controlplane.check_etcd_is_ours(layout)
    add("kube-apiserver")
    controlplane.wait_until_ready(layout)
    say(f"kube-apiserver is ready at {layout.server}")
    add("kube-controller-manager")
    setup = Setup(layout.kubectl, layout.admin_kubeconfig)
    return Access(layout.server, layout.authority, setup, layout.admin_secrets), parts
