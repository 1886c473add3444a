"""The nodes' Leases as they come from the API server: of each only what is looked at.

The list of all of them is by far the largest that is read again and again. Of 10,000 it is
7 MB, and as dictionaries it would take 50 MB each time. Nothing in it refers back: the
garbage collector passes it over (``gc=False``).
"""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from schedune_kube.lean import AGENT
from schedune_kube.times import latest, parse_time

LEASE_NAMESPACE: Final = "schedune-node-lease"
DIGEST_ANNOTATION: Final = "schedune.io/truth-digest"
DEFAULT_LEASE_SECONDS: Final = 180


class _Stamp(Struct, frozen=True, gc=False):
    """The server's stamp of the last write of one writer."""

    manager: str = ""
    time: str | None = None


class _Metadata(Struct, frozen=True, gc=False, rename="camel"):
    name: str
    resource_version: str
    annotations: dict[str, str] | None = None
    managed_fields: list[_Stamp] | None = None


class _Spec(Struct, frozen=True, gc=False, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: str | None = None


class Lease(Struct, frozen=True, gc=False):
    """One node's Lease."""

    metadata: _Metadata
    spec: _Spec = _Spec()

    @property
    def node_name(self) -> str:
        """Return the node that it is of."""
        return self.metadata.name

    @property
    def version(self) -> int:
        """Return its version as a number."""
        return int(self.metadata.resource_version)

    @property
    def digest(self) -> str:
        """Return the digest of the facts that it vouches for; "": of none."""
        return (self.metadata.annotations or {}).get(DIGEST_ANNOTATION, "")

    @property
    def machine(self) -> str:
        """Return the machine that renewed it; "": none says that it did."""
        return self.spec.holder_identity or ""

    @property
    def duration_s(self) -> int:
        """Return how long it says that it counts."""
        return self.spec.lease_duration_seconds or DEFAULT_LEASE_SECONDS

    def renewed(self) -> datetime | None:
        """Return when it was renewed, by the node's clock."""
        return parse_time(self.spec.renew_time)

    def written(self) -> datetime | None:
        """Return the server's own stamp of the agent's last write."""
        return latest(
            one.time for one in self.metadata.managed_fields or () if one.manager == AGENT
        )


class _ListMetadata(Struct, frozen=True, gc=False, rename="camel"):
    resource_version: str


class LeaseList(Struct, frozen=True, gc=False):
    """All Leases of a namespace."""

    metadata: _ListMetadata
    items: list[Lease] | None = None

    @property
    def version(self) -> int:
        """Return the version of the collection as a number."""
        return int(self.metadata.resource_version)


_DECODER: Final = msgspec.json.Decoder(LeaseList)


def read_leases(content: bytes) -> LeaseList:
    """Read a list of Leases.

    Raises:
        ValueError: that is no list of Leases.
    """
    try:
        return _DECODER.decode(content)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
