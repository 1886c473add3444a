"""The fleet page's addresses, who may read them, and what browsers are told about them."""

import base64
import binascii
import logging
from importlib.resources import files
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import NODETRUTHS, VMPLACEMENTS, VMWORKLOADS
from schedune_kube.reviews import Reader, Verdict
from schedune_kube.serving import ListenSettings
from schedune_operator.seen.page.frame import MOST_PAGES, frame, note
from schedune_operator.seen.page.markup import link
from schedune_operator.seen.page.nodes import node, nodes
from schedune_operator.seen.page.overview import overview
from schedune_operator.seen.page.repairs import Repairs
from schedune_operator.seen.page.workloads import workload, workloads
from schedune_operator.seen.reading import Reading

_LOG: Final = logging.getLogger(__name__)
_MOST_DIGITS: Final = 9
_SHOWN: Final = (VMWORKLOADS, VMPLACEMENTS, NODETRUTHS)
"""Whoever may list these everywhere learns nothing new from the page."""
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CHALLENGE: Final = 'Basic realm="Schedune: any name, and a Kubernetes token as password"'


def fleet_page(reading: Reading, where: ListenSettings, client: KubeClient) -> web.Application:
    """Return what serves the page: GET only, and nothing that a GET changes."""
    repairs = Repairs(reading)
    guard = _own_names_only() if where.is_loopback else _readers_only(Reader(client, _SHOWN))

    async def first(_: web.Request) -> web.Response:
        return _html(overview(reading, await repairs.rank()))

    async def all_nodes(request: web.Request) -> web.Response:
        return _html(nodes(reading, request.query, _number(request)))

    async def all_workloads(request: web.Request) -> web.Response:
        return _html(workloads(reading, request.query, _number(request)))

    async def one_node(request: web.Request) -> web.Response:
        return _found(reading, node(reading, request.match_info["name"]))

    async def one_workload(request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        return _found(reading, workload(reading, key))

    application = web.Application(middlewares=[_headers, guard])
    application.add_routes([
        web.get("/", first),
        web.get("/nodes", all_nodes),
        web.get("/nodes/{name}", one_node),
        web.get("/workloads", all_workloads),
        web.get("/workloads/{namespace}/{name}", one_workload),
        web.get("/fleet.css", _asset("fleet.css", "text/css")),
        web.get("/fleet.svg", _asset("fleet.svg", "image/svg+xml")),
    ])  # fmt: skip
    return application


def _html(text: str, status: int = 200) -> web.Response:
    # A lone surrogate in a name is no reason to show nothing.
    body = text.encode("utf-8", "backslashreplace")
    return web.Response(body=body, content_type="text/html", charset="utf-8", status=status)


def _found(reading: Reading, text: str | None) -> web.Response:
    if text is not None:
        return _html(text)
    told = note("It is not there, or not any more. ", link("Back to the fleet"))
    return _html(frame(reading, "Not found", "-", told), 404)


def _number(request: web.Request) -> int:
    asked = request.query.get("page", "1")
    if not (asked.isascii() and asked.isdigit()):
        return 1
    # Python refuses to count in thousands of digits.
    return min(int(asked), MOST_PAGES) if len(asked) <= _MOST_DIGITS else MOST_PAGES


def _asset(name: str, kind: str) -> Handler:
    body = files(__package__).joinpath(name).read_bytes()

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind)

    return give


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the browser what it may do with a page, also with one that says no."""
    try:
        answer = await handler(request)
    except web.HTTPException as refusal:
        refusal.headers.update(_HEADERS)
        raise
    answer.headers.update(_HEADERS)
    return answer


def _own_names_only() -> Middleware:
    """Let nobody read by a name that only seems to be ours (DNS rebinding)."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if host.rpartition(":")[0] not in _OWN_NAMES and host not in _OWN_NAMES:
            raise web.HTTPForbidden(text="ask for localhost or 127.0.0.1\n")
        return await handler(request)

    return guard


def _readers_only(reader: Reader) -> Middleware:
    """Let those read of whom the API server says that they may."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            verdict = await reader.judge(_token(request.headers.get("Authorization", "")))
        except ApiError as error:
            _LOG.warning("fleet-page.nobody-knows", extra={"error": str(error)})
            raise web.HTTPServiceUnavailable(
                text="the API server does not say who you are; try again\n"
            ) from error
        if verdict is Verdict.UNKNOWN:
            headers = {"WWW-Authenticate": _CHALLENGE}
            told = "give a Kubernetes token: Authorization: Bearer TOKEN, or as password\n"
            raise web.HTTPUnauthorized(text=told, headers=headers)
        if verdict is Verdict.FORBIDDEN:
            kinds = ", ".join(one.plural for one in _SHOWN)
            told = f"this account may not list {kinds} in all namespaces"
            raise web.HTTPForbidden(text=f"{told} (ClusterRole schedune-fleet-viewer)\n")
        return await handler(request)

    return guard


def _token(authorization: str) -> str:
    """Return the token of a header; browsers send it as a password."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2].strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
