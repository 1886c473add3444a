"""What is read of Kubernetes' own objects: Nodes, Namespaces, and agents' Leases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from schedune.api.base import field_name
from schedune.fleet.node import MOST_LEASE_SECONDS
from schedune.fleet.quota import ANNOTATIONS
from schedune_cli.problems import CORRECT, Problem, shorten
from schedune_cli.reading.objects import Item
from schedune_kube.lean import AGENT

LEASE_NAMESPACE: Final = "schedune-node-lease"
DIGEST_ANNOTATION: Final = "schedune.io/truth-digest"
DEFAULT_LEASE_SECONDS: Final = 180
_MOST_SECONDS: Final = 10 * 366 * 86_400
M = TypeVar("M", bound=BaseModel)


def _without_nulls(value: object) -> object:
    """Take null for absent, as Kubernetes does."""
    if isinstance(value, Mapping):
        return {key: one for key, one in value.items() if one is not None}
    return value


class _Part(BaseModel):
    """A part of somebody else's object: what we do not read is passed over."""

    model_config = ConfigDict(
        alias_generator=field_name, populate_by_name=True, extra="ignore", frozen=True
    )


class ManagedFields(_Part):
    """Who wrote an object last, by the server's clock."""

    manager: str = ""
    time: AwareDatetime | None = None


class ObjectMeta(_Part):
    """What we read of metadata."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    managed_fields: list[ManagedFields] = Field(default_factory=list)


_Metadata = Annotated[ObjectMeta, BeforeValidator(_without_nulls)]


class NodeTaint(_Part):
    """A taint."""

    key: str
    value: str = ""
    effect: str


class NodeSpec(_Part):
    """What an administrator says of a Node."""

    unschedulable: bool = False
    taints: list[Annotated[NodeTaint, BeforeValidator(_without_nulls)]] = Field(
        default_factory=list
    )


class NodeCondition(_Part):
    """A condition."""

    type: str
    status: str


class NodeStatus(_Part):
    """What the kubelet says."""

    conditions: list[NodeCondition] = Field(default_factory=list)


class Node(_Part):
    """A Kubernetes Node."""

    metadata: _Metadata
    spec: Annotated[NodeSpec, BeforeValidator(_without_nulls)] = Field(default_factory=NodeSpec)
    status: Annotated[NodeStatus, BeforeValidator(_without_nulls)] = Field(
        default_factory=NodeStatus
    )

    @property
    def is_ready(self) -> bool | None:
        """Condition Ready; None: it says nothing."""
        for one in self.status.conditions:
            if one.type == "Ready":
                return {"True": True, "False": False}.get(one.status)
        return None


class Namespace(_Part):
    """A Namespace; what limits its VMs is read by itself (``quota_annotations``)."""

    metadata: _Metadata


class LeaseSpec(_Part):
    """When the holder renewed, and for how long that counts."""

    lease_duration_seconds: Annotated[int, Field(ge=1, le=_MOST_SECONDS)] = DEFAULT_LEASE_SECONDS
    renew_time: AwareDatetime | None = None


class Lease(_Part):
    """An agent's heartbeat."""

    metadata: _Metadata
    spec: Annotated[LeaseSpec, BeforeValidator(_without_nulls)] = Field(default_factory=LeaseSpec)

    @property
    def digest(self) -> str:
        """The digest of the facts it vouches for."""
        return self.metadata.annotations.get(DIGEST_ANNOTATION, "")

    @property
    def believed_seconds(self) -> int:
        """For how long it counts, whatever it says itself."""
        return min(self.spec.lease_duration_seconds, MOST_LEASE_SECONDS)

    @property
    def stamped(self) -> datetime | None:
        """When it was renewed by the server's clock; None: the server does not say."""
        return agent_wrote(self.metadata)

    @property
    def seen(self) -> datetime | None:
        """When it was renewed: by the server's clock where it says so, else by the node's."""
        return self.stamped or self.spec.renew_time


def read_part(model: type[M], item: Item, problems: list[Problem]) -> M | None:
    """Return an object of Kubernetes' own; None: it cannot be read, and the problems say why."""
    try:
        return model.model_validate(item.raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = ".".join(str(part) for part in detail["loc"])
            given, place = shorten(repr(detail["input"])), item.place_of(path)
            problems.append(Problem(place, path, given, detail["msg"], CORRECT))
        return None


def quota_annotations(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of a Namespace that limit its VMs."""
    given = (raw.get("metadata") or {}).get("annotations")
    held = given if isinstance(given, dict) else {}
    return {name: str(held[name]) for name in ANNOTATIONS if held.get(name) is not None}


def agent_wrote(metadata: ObjectMeta) -> datetime | None:
    """Return the server's own stamp of the agent's last write."""
    stamps = [one.time for one in metadata.managed_fields if one.manager == AGENT and one.time]
    return max(stamps, default=None)


def stamp_of(raw: Mapping[str, Any]) -> datetime | None:
    """Return the same of an object of ours; what cannot be read stamps nothing."""
    fields = (raw.get("metadata") or {}).get("managedFields")
    try:
        return agent_wrote(ObjectMeta.model_validate({"name": "", "managedFields": fields or []}))
    except ValueError:
        return None
