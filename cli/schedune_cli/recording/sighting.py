"""One node of a recording, as an examination wants it."""

from datetime import datetime

from schedune.examination.examine import Sighting
from schedune.examination.form import Seen
from schedune_cli.recording.kubernetes import Lease
from schedune_cli.recording.recording import Recording
from schedune_cli.recording.world import World


def sight(name: str, recording: Recording, world: World, *, seen: Seen, now: datetime) -> Sighting:
    """Return a node that the world holds, with what is placed on it and who vouches for it."""
    lease = _lease(name, recording)
    return Sighting(
        record=world.records[name],
        seen=seen,
        time=now,
        claims=[one for one in world.claims if one.node_name == name],
        lease_renewed=lease.seen if lease else None,
        lease_digest=lease.digest if lease else "",
    )


def _lease(name: str, recording: Recording) -> Lease | None:
    """Return the heartbeat; one that cannot be read was said to be a problem already."""
    item = recording.leases.get(name)
    try:
        return Lease.model_validate(item.raw) if item else None
    except ValueError:
        return None
