"""The webhook: it answers within its time or lets pass, and takes little of the operator's own.

Every operator serves it, leading or not. Whatever goes wrong here is logged and lets the
object pass: the operator judges it anyway, and this only says sooner what it will say.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiohttp import web

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune_kube.client import KubeClient, Raw
from schedune_operator.admission.answer import FINE, Verdict, judge, review_of
from schedune_operator.admission.identity import Identity, make_identity
from schedune_operator.admission.question import (
    HEAD,
    NonsenseError,
    Question,
    read_question,
    uid_of,
)
from schedune_operator.admission.registration import register
from schedune_operator.settings import AdmissionSettings
from schedune_operator.world import World

PATH: Final = "/admit"
_LARGEST: Final = 4 * 2**20
"""The API server takes 3 MiB of an object, and a store of its usual settings half of that."""
_PLACES: Final = 16
"""So many bodies at most are held at a time; who comes beyond that passes unread."""
_SHARE: Final = 5
"""One in so many seconds of the operator's time, at most, goes into answers."""
_LOG: Final = logging.getLogger(__name__)


@dataclass
class Webhook:
    """Serves the answers, and keeps its certificate young and known."""

    client: KubeClient
    world: World
    settings: AdmissionSettings
    policy: SchedulingPolicy
    clock: Callable[[], datetime]
    leading: Callable[[], bool]
    port: int = field(default=0, init=False)
    """Where it listens; 0: it does not yet."""
    _places: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_PLACES), init=False
    )
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _free_at: float = field(default=0.0, init=False)

    async def run(self) -> None:
        """Serve for ever; what fails, as a port that is taken, is tried again and stops nothing."""
        while True:
            try:
                await self._serve()
            except OSError as error:
                _LOG.warning("webhook.not-served", extra={"error": str(error)})
            except Exception:  # noqa: BLE001 - the operator decides without its webhook, too
                _LOG.exception("webhook.not-served")
            await asyncio.sleep(self.settings.upkeep_seconds)

    async def _serve(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        identity = self._make()
        identity.serve_by(context)
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post(PATH, self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.settings.host, self.settings.port, ssl_context=context)
            await site.start()
            self.port = runner.addresses[0][1]
            await self._keep(identity, context)
        finally:
            self.port = 0
            await runner.cleanup()

    def _make(self) -> Identity:
        return make_identity(self.settings.names, self.clock(), self.settings.certificate_seconds)

    async def _keep(self, identity: Identity, context: ssl.SSLContext) -> None:
        """Keep our authority in the configuration; take the next before this one is over.

        The next is served only after one round: the API server has to know it first. One that
        is not valid now, after a clock was set, is followed at once: it proves nothing to anybody.
        """
        following: Identity | None = None
        while True:
            known = [identity.authority, *([following.authority] if following else [])]
            is_told = await register(self.client, self.settings.configuration, known, self.clock())
            await asyncio.sleep(self.settings.upkeep_seconds)
            now = self.clock()
            if following is not None and not following.is_valid(now):
                following = None
            if not identity.is_valid(now):
                identity, following = following or self._make(), None
                identity.serve_by(context)
            elif following is not None and is_told:
                identity, following = following, None
                identity.serve_by(context)
            elif identity.is_old(now) and following is None:
                following = self._make()

    async def _answer(self, request: web.Request) -> web.Response:
        body, cause = b"", "no time"
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.answer_seconds):
                if self._places.locked():
                    body, cause = await request.content.read(HEAD), "too many ask"
                else:
                    async with self._places:
                        body = await request.read()
                        async with self._turn:
                            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
                            return self._timed(body)
        return _let_pass(body[:HEAD], cause)

    def _timed(self, body: bytes) -> web.Response:
        """Read and judge: nothing of a body is held as objects before it is its turn."""
        began = time.monotonic()
        try:
            asked = read_question(body)
            verdict = self._verdict(asked, asked.read_object())
            return web.json_response(review_of(asked.uid, verdict))
        except NonsenseError:
            return web.json_response({"message": "is no AdmissionReview"}, status=400)
        finally:
            ended = time.monotonic()
            self._free_at = ended + (_SHARE - 1) * (ended - began)

    def _verdict(self, asked: Question, obj: Raw) -> Verdict:
        try:
            return self._judge(asked, obj)
        except Exception:  # noqa: BLE001 - whatever it is, the object passes and is judged later
            _LOG.exception("webhook.let-pass")
        return FINE

    def _judge(self, asked: Question, obj: Raw) -> Verdict:
        namespace = asked.namespace or ""
        metadata = {**(obj.get("metadata") or {}), "namespace": namespace}
        key = (namespace, str(metadata.get("name") or ""))
        if metadata.get("deletionTimestamp") or self._has_its_place(asked, key):
            return FINE
        # Who leads has brought the fleet up to date a moment ago, and may be deciding on it.
        fleet = self.world.seen_fleet() if self.leading() else self.world.fleet()
        if not self.world.is_synced() or len(fleet) != len(self.world.nodes.store):
            return FINE
        refuses = self.world.namespaces.refuses(namespace)
        judged = {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), **obj}
        return judge(
            {**judged, "metadata": metadata}, fleet, self.policy, self.clock(), refuses=refuses
        )

    def _has_its_place(self, asked: Question, key: tuple[str, str]) -> bool:
        """Say whether a changed workload is placed already: UpToDate tells of its change."""
        return asked.operation == "UPDATE" and key in self.world.placements.store


def _let_pass(head: bytes, cause: str) -> web.Response:
    """Answer what was not read; without its UID the API server lets it pass by its policy."""
    _LOG.warning("webhook.let-pass", extra={"cause": cause})
    uid = uid_of(head)
    if uid is None:
        return web.json_response({"message": cause}, status=503)
    return web.json_response(review_of(uid, FINE))
