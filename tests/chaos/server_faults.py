"""What happens to the API server and its store under the operators."""

import json
import re
import urllib.request
from typing import Any

from schedune_lab import controlplane as parts
from schedune_testing.control_plane import ControlPlane

_ANSWERS_S = 10
_CONFLICTS = re.compile(r'^apiserver_request_total\{[^}]*code="409"[^}]*\} (\S+)$', re.MULTILINE)


def restart_server(plane: ControlPlane) -> None:
    """End the API server and start it again: its memory of events begins anew."""
    plane.api_server.end()
    plane.api_server.start()
    parts.wait_until_ready(plane.layout)


def restart_store(plane: ControlPlane) -> None:
    """End etcd under the API server and start it again with what it has stored."""
    plane.etcd.end()
    plane.etcd.start()
    parts.wait_until_ready(plane.layout)


def forget_history(plane: ControlPlane) -> None:
    """Drop all versions but the latest; who watches from an earlier one is told 410."""
    latest = _ask_store(plane, "range", {"key": "AA=="})["header"]["revision"]
    _ask_store(plane, "compaction", {"revision": latest})
    restart_server(plane)


def count_conflicts(plane: ControlPlane) -> int:
    """Return how often the server answered 409 since it was started."""
    told = plane.kubectl("get", "--raw", "/metrics").stdout
    return sum(int(float(one)) for one in _CONFLICTS.findall(told))


def _ask_store(plane: ControlPlane, question: str, body: object) -> Any:
    url = f"http://127.0.0.1:{plane.layout.etcd_port}/v3/kv/{question}"
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=_ANSWERS_S) as answer:  # noqa: S310 - loopback
        return json.load(answer)
