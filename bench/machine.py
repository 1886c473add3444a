"""This machine as its agent sees it: what is measured of the agent, and what is replayed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from schedune.api.base import API_VERSION
from schedune.api.nodetruth import NodeTruthStatus
from schedune_agent.facts import Probes
from schedune_agent.identity import NodeIdentity
from schedune_agent.settings import AgentSettings, CapacitySettings
from schedune_kube.settings import KubernetesSettings
from schedune_lab.processes import boot_id
from schedune_lab.settings import put_images

CLUSTER: Final = "bench-cluster"
NOBODY: Final = NodeIdentity("bench", "bench-uid", "bench-machine", boot_id())


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def settings_in(
    folder: Path, kubernetes: KubernetesSettings | None = None, images: Path | None = None
) -> AgentSettings:
    """Return an agent's settings: every period as it ships, every path in a folder of ours."""
    images = images or folder / "images"
    if not images.exists():
        put_images(images)
    nowhere = KubernetesSettings(
        server="https://nowhere.invalid", ca_file=folder / "ca", token_file=folder / "token"
    )
    for name in ("run", "state"):
        (folder / name).mkdir(exist_ok=True)
    return AgentSettings(
        kubernetes=kubernetes or nowhere,
        cluster_uid=CLUSTER,
        image_roots=[images],
        run_directory=folder / "run",
        state_directory=folder / "state",
        capacity=CapacitySettings(vcpus=2, memory="4Gi"),
    )


def probes_of(settings: AgentSettings, identity: NodeIdentity = NOBODY) -> Probes:
    """Return the probes of an agent that has just started."""
    return Probes(settings, identity, "Session", clock)


def record(facts: NodeTruthStatus, path: Path) -> None:
    """Write facts as what a replayed node is given."""
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "NodeTruth",
        "metadata": {"name": NOBODY.name},
        "status": facts.render(),
    }
    path.write_text(json.dumps(manifest))
