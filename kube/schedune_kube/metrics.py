"""What every process of ours counts: what it asks the API server, and which build it is.

The names are those that dashboards know from client-go. No label holds the name of a
node, a namespace or a workload.
"""

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from schedune_kube.client import Meter

_NO_ANSWER: Final = "<error>"
"""What client-go says where no answer came."""
_PATH: Final = re.compile(
    r"/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/[^/]+(?=/[^/]))?/([^/]+)(?:/[^/]+(?:/(.+))?)?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about."""

    resource: str
    subresource: str = ""


def target_of(path: str) -> Target:
    """Return which collection, and which part of its objects, a URL path addresses."""
    found = _PATH.fullmatch(path)
    return Target(found[1], found[2] or "") if found else Target("")


def new_registry(revision: str = "") -> CollectorRegistry:
    """Return a registry that tells of this process and of its build.

    ``revision`` is the commit of which the image was made; "" where nobody says.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Gauge(
        "schedune_build_info",
        "Always 1; the labels tell which build this is",
        ("version", "revision", "python"),
        registry=registry,
    )
    build.labels(version("schedune"), revision, platform.python_version()).set(1)
    return registry


Also = Callable[[str, Target, int | None], None]
"""Told of a request too: its method, what it was about, and what came of it."""


class RequestMetrics:
    """Counts requests to API servers by what came of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "rest_client_requests_total",
            "Requests to the API server, by status code, method and host",
            ("code", "method", "host"),
            registry=registry,
        )

    def meter(self, server: str, also: Also) -> Meter:
        """Return what a client of a server tells of its requests, to be counted."""
        host = urlsplit(server).netloc

        def count(method: str, path: str, status: int | None) -> None:
            code = str(status) if status is not None else _NO_ANSWER
            self._requests.labels(code, method, host).inc()
            also(method, target_of(path), status)

        return count


def outcome_of(status: int | None) -> str:
    """Return what came of a write: changed, conflict or error."""
    if status is None or status >= 400:
        return "conflict" if status == 409 else "error"
    return "changed"
