"""This machine, looked at as its agent would, by whoever asks: nothing is changed on it."""

import os
import platform
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from schedune.api.base import Metadata
from schedune.api.nodetruth import NodeTruth
from schedune.examination.examine import Sighting
from schedune.examination.form import Seen
from schedune.fleet.node import MOST_LEASE_SECONDS, NodeRecord
from schedune_agent.facts import Probes
from schedune_agent.identity import identify_machine
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup

_NOWHERE: Final[dict[str, Any]] = {
    "kubernetes": {
        "server": "https://none.invalid",
        "ca_file": "/none",
        "token_file": "/none",
    },
    "cluster_uid": "no-cluster",
}
"""Where no cluster is asked: nothing here is ever opened."""
_UNREGISTERED: Final = "unregistered"
"""UID of a node that no cluster knows."""


def settings_of(
    image_roots: Sequence[Path], run_directory: Path | None, state_directory: Path | None
) -> AgentSettings:
    """Return an agent's settings with what is given, and the agent's own defaults for the rest."""
    given = {
        "image_roots": list(image_roots) or None,
        "run_directory": run_directory,
        "state_directory": state_directory,
    }
    told = {name: value for name, value in given.items() if value is not None}
    return AgentSettings.model_validate({**_NOWHERE, **told})


async def sight_machine(settings: AgentSettings, clock: Callable[[], datetime]) -> Sighting:
    """Run every probe once, and return what the machine is."""
    name = platform.node() or "this-machine"
    identity = identify_machine(name, _UNREGISTERED)
    containment = "Cgroup" if settings.containment == "Auto" and may_contain() else "Session"
    facts = await Probes(settings, identity, containment, clock).take_facts()
    now = clock()
    record = NodeRecord(
        name=name,
        uid=_UNREGISTERED,
        truth=NodeTruth(metadata=Metadata(name=name), status=facts),
        last_proof=now,
        lease_seconds=min(settings.lease_duration_seconds, MOST_LEASE_SECONDS),
    )
    return Sighting(record, Seen.THIS_MACHINE, now)


def may_contain(root: Path = cgroup.ROOT) -> bool:
    """Say whether an agent could make groups of its own here, without making one."""
    found = cgroup.hierarchies(root)
    return bool(found) and all(os.access(one, os.W_OK) for one in found)
