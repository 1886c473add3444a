"""kopf's edge: events are translated and handed over, nothing else happens here."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import kopf

from schedune.api.base import GROUP, VERSION
from schedune_kube.client import PAGE
from schedune_kube.credentials import Credentials
from schedune_operator.cache import WorkloadCache

_LOGIN_PAUSE_S: Final = 1.0
"""Between two logins: a token that stays refused is no reason to ask without a rest."""
_NO_END: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""An end that never comes; that it is another one each time is what counts."""


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
    asked_at, logins = float("-inf"), itertools.count()

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.ConnectionInfo:
        """Hand kopf our own credentials; it asks again when they fail.

        It ends for good when it is given again what was refused, and an API server that cannot
        look up an account refuses a token that is right. So each answer is another one.
        """
        nonlocal asked_at
        if time.monotonic() - asked_at < _LOGIN_PAUSE_S:
            await asyncio.sleep(_LOGIN_PAUSE_S)
        asked_at = time.monotonic()
        credentials.forget_token()
        token = credentials.headers().get("Authorization", "").removeprefix("Bearer ")
        return kopf.ConnectionInfo(
            server=credentials.server,
            ca_path=str(credentials.ca_file) if credentials.ca_file else None,
            token=token or None,
            certificate_path=_text(credentials.client_certificate),
            private_key_path=_text(credentials.client_key),
            expiration=_NO_END + timedelta(seconds=next(logins)),
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
