"""kopf's edge: events are translated and handed over, nothing else happens here."""

import itertools

import kopf

from schedune.api.base import GROUP, VERSION
from schedune_kube.client import PAGE
from schedune_kube.credentials import Credentials
from schedune_operator.cache import WorkloadCache


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing on the objects: no handler of ours wants differences."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return nothing."""
        return kopf.BodyEssence({})

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        """Find nothing."""
        return None

    def store(self, **_: object) -> None:
        """Write nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps nothing on the objects: no handler of ours is retried."""

    def fetch(self, **_: object) -> kopf.ProgressRecord | None:
        """Find nothing."""
        return None

    def store(self, **_: object) -> None:
        """Write nothing."""

    def purge(self, **_: object) -> None:
        """Remove nothing."""

    def touch(self, **_: object) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Leave the essence as it is."""
        return essence


def make_registry(credentials: Credentials) -> kopf.OperatorRegistry:
    """Return the handlers: a login, the settings, one event handler."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.ConnectionInfo:
        """Hand kopf our own credentials; it asks again when they fail."""
        token = credentials.headers().get("Authorization", "").removeprefix("Bearer ")
        return kopf.ConnectionInfo(
            server=credentials.server,
            ca_path=str(credentials.ca_file) if credentials.ca_file else None,
            token=token or None,
            certificate_path=_text(credentials.client_certificate),
            private_key_path=_text(credentials.client_key),
        )

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: object) -> None:
        """Keep kopf from writing and from scanning (reference/kopf.md 1)."""
        settings.persistence.diffbase_storage = NoDiffBase()
        settings.persistence.progress_storage = NoProgress()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        # Whoever waits for a next event holds the last one, whole: of 10,000 at once that is much.
        settings.queueing.idle_timeout = 0.05
        # After an outage the watch is back within a second, not after a pause that grew.
        settings.networking.error_backoffs = itertools.repeat(1.0)
        settings.networking.request_timeout = 10.0
        # A list of 10,000 in one piece would take longer than that, and again each time.
        settings.watching.chunk_size = PAGE
        settings.networking.connect_timeout = 5.0

    @kopf.on.event(GROUP, VERSION, "vmworkloads", registry=registry)
    async def on_workload(event: kopf.RawEvent, memo: WorkloadCache, **_: object) -> None:
        """Translate and hand over; the loop decides, the writer writes."""
        memo.note(event["type"], dict(event["object"]))

    return registry


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
