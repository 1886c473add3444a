"""A recorded node: facts from a file take the ordinary path to the API server."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from schedune.api.nodetruth import Identity, NodeTruth, NodeTruthStatus
from schedune_agent import __version__
from schedune_agent.identity import NodeIdentity
from schedune_kube.settings import SettingsError


class RecordedFacts:
    """Gives out the same facts for ever, as the node of our token."""

    def __init__(self, path: Path, identity: NodeIdentity, clock: Callable[[], datetime]) -> None:
        self._facts = read_recorded(path)
        self._identity = identity
        self._clock = clock

    async def take_facts(self) -> NodeTruthStatus:
        """Return the recorded facts; only identity and time are this process's own."""
        identity = Identity(
            node_uid=self._identity.uid,
            machine_id=f"recorded-{self._identity.name}",
            boot_id=self._identity.boot_id,
            agent_version=__version__,
            survival="DiesWithAgent",
            containment="None",
            execution="PreparesOnly",
        )
        return self._facts.model_copy(update={"identity": identity, "observed_time": self._clock()})


@cache
def read_recorded(path: Path) -> NodeTruthStatus:
    """Read a NodeTruth manifest, once for all nodes of this process that replay it.

    Raises:
        SettingsError: the file is missing or no NodeTruth.
    """
    try:
        return NodeTruth.model_validate(yaml.safe_load(path.read_text())).status
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(f"{path}: is no recorded NodeTruth: {error}") from error
