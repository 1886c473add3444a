"""How many bytes a truth has as the API server stores it: this machine's, and the largest."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

from machine import clock, probes_of, settings_in
from nodes import make_nodes
from table import tell

from schedune.api.nodetruth import LiveVM, NodeTruthStatus, Orphan
from schedune.api.vmworkload import Backend
from schedune_agent.facts import FactSource
from schedune_agent.identity import read_identity
from schedune_agent.truth import TruthPublisher
from schedune_kube.client import KubeClient, Raw
from schedune_kube.credentials import Credentials
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NODETRUTHS
from schedune_kube.settings import KubernetesSettings
from schedune_testing.control_plane import ControlPlane

_LONGEST: Final = {"name": 128, "namespace": 63, "workload": 63}
_FILES: Final = 80
_LARGEST: Final = 6
_OF_VMS: Final = ("liveVMs", "orphans")
_PUBLISHED_S: Final = 60.0


def most(model: Any, field: str) -> int:
    """Return how many items the API lets a list have."""
    (limit,) = [
        one.max_length for one in model.model_fields[field].metadata if hasattr(one, "max_length")
    ]
    return int(limit)


async def tell_sizes(plane: ControlPlane, folder: Path) -> None:
    """Print both sizes, and which lists the largest is made of."""
    usual = await _stored(plane, folder, "usual", [], [])
    tell("truth of this machine: status as JSON", f"{_size(usual)} B", "<= 8192 B typical")
    live = [_live_vm(number) for number in range(most(NodeTruthStatus, "live_vms"))]
    orphans = [_orphan(number) for number in range(most(NodeTruthStatus, "orphans"))]
    hostile = _hostile_images(folder)
    largest = await _stored(plane, folder, "largest", live, orphans, hostile)
    tell("largest truth: status as JSON", f"{_size(largest)} B", "<= 32768 B bounded")
    rest = {key: value for key, value in largest.items() if key not in _OF_VMS}
    tell(f"largest truth: all but {' and '.join(_OF_VMS)}", f"{_size(rest)} B")
    parts = sorted(((_size(value), key) for key, value in largest.items()), reverse=True)
    for size, key in parts[:_LARGEST]:
        count = f", {len(largest[key])} items" if isinstance(largest[key], list) else ""
        tell(f"largest truth: {key}{count}", f"{size} B")


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _live_vm(number: int) -> LiveVM:
    uid = f"{number:08}-0000-4000-8000-000000000000"
    name = f"vm-{number:03}-".ljust(_LONGEST["workload"], "x")
    return LiveVM(placement_uid=uid, workload_uid=uid, namespace=name, name=name)


def _orphan(number: int) -> Orphan:
    """Return one with the words of the agent and the longest names."""
    name = "x" * _LONGEST["workload"]
    return Orphan(
        class_="superseded",
        pid=100_000 + number,
        start_time=10**9,
        boot_id="0" * 36,
        backend=Backend.QEMU,
        placement_uid=f"{number:08}-0000-4000-8000-000000000000",
        claim="64 vCPUs, 1024Gi",
        message=f"its VMPlacement {name}/{name} is gone; it runs on, counted as reserved, "
        "until someone ends the process",
    )


def _hostile_images(folder: Path) -> Path:
    """Make a root of more files than are told of, each by the longest name there is."""
    usual, root = folder / "images", folder / "hostile-images"
    root.mkdir()
    for number in range(_FILES):
        os.link(usual / "lab-kernel", root / f"kernel-{number:02}-".ljust(_LONGEST["name"], "x"))
    return root


async def _stored(
    plane: ControlPlane,
    folder: Path,
    name: str,
    live: list[LiveVM],
    orphans: list[Orphan],
    images: Path | None = None,
) -> Raw:
    """Publish by the agent's own code, and return the status that the API server holds."""
    admin = from_kubeconfig(plane.admin_kubeconfig)
    async with KubeClient(admin, field_manager="schedune-bench") as client:
        await make_nodes(client, [name], folder)
    token = folder / f"{name}.token"
    kubernetes = KubernetesSettings(
        server=plane.layout.server, ca_file=plane.layout.authority, token_file=token
    )
    settings = settings_in(folder, kubernetes, images)
    identity = read_identity(token)
    source: FactSource = probes_of(settings, identity)
    credentials = Credentials(admin.server, ca_file=plane.layout.authority, token_file=token)
    async with KubeClient(credentials, field_manager="schedune-agent") as client:
        publisher = TruthPublisher(
            client,
            settings,
            identity,
            source,
            live_vms=lambda: live,
            orphans=lambda: orphans,
            orders=list,
            clock=clock,
        )
        async with asyncio.timeout(_PUBLISHED_S):
            # Publishes at once, where run() would take its time.
            await publisher.withdraw("")
        held = await client.get(NODETRUTHS, name)
    return dict(held["status"])
