"""The two windows through which the operator is seen: one for machines, one for people."""

from collections.abc import Callable, Coroutine
from typing import Any

from schedune_kube.client import KubeClient
from schedune_kube.serving import observed, serve
from schedune_operator.seen.collector import FleetCollector
from schedune_operator.seen.health import checks_of
from schedune_operator.seen.meter import Meter
from schedune_operator.seen.page.application import fleet_page
from schedune_operator.seen.reading import Reading
from schedune_operator.settings import OperatorSettings


def windows(
    reading: Reading,
    meter: Meter,
    settings: OperatorSettings,
    client: KubeClient,
    *,
    name: str,
    follows_workloads: Callable[[], bool],
    deaf_after_s: float,
) -> dict[str, Coroutine[Any, Any, None]]:
    """Return what has to run so that the operator is seen, by name; nothing where nobody asks."""
    FleetCollector(reading, name).register(meter.registry)
    running: dict[str, Coroutine[Any, Any, None]] = {}
    if settings.observability is not None:
        checks = checks_of(
            reading.world, follows_workloads=follows_workloads, deaf_after_s=deaf_after_s
        )
        application = observed(meter.registry, checks)
        running["observability"] = serve("observability", settings.observability, application)
    if settings.fleet_page is not None:
        page = fleet_page(reading, settings.fleet_page, client)
        running["fleet-page"] = serve("fleet-page", settings.fleet_page, page)
    return running
