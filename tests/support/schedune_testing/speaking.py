"""Speak to a real API server as whoever bears a token, in the bare words of HTTP.

For what no client of ours says: a PUT of a status, a deletion of a whole collection, a
name to be generated, somebody else's name in a header.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schedune_testing.control_plane import Answer, ControlPlane

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
STEPS: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"
SYSTEM: Final = "schedune-system"
AGENTS: Final = "schedune-agents"
AGENT: Final = "schedune-agent"
Object = dict[str, Any]


@dataclass(frozen=True)
class Speaker:
    """Somebody who asks the API server; without a token: the administrator."""

    control_plane: ControlPlane
    token: str | None = None
    _open: list[http.client.HTTPSConnection] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        form: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return what the server said."""
        sent = {"Content-Type": form, **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        text = json.dumps(body) if body is not None else None
        connection = self._connection()
        try:
            connection.request(method, path, text, sent)
            answer = connection.getresponse()
        except OSError:
            # The server closes what was idle for long; nothing of the request was read.
            connection.close()
            connection.request(method, path, text, sent)
            answer = connection.getresponse()
        return Answer(answer.status, json.loads(answer.read()))

    def must(self, method: str, path: str, body: object = None, form: str = JSON) -> Object:
        """Send a request that has to be served, and return the object."""
        answer = self.ask(method, path, body, form)
        assert answer.accepted, f"{method} {path}: {answer.message}"
        return answer.body

    def make(self, collection: str, body: Object) -> Object:
        """Return an object of a collection; make it where it is missing."""
        found = self.ask("GET", f"{collection}/{body['metadata']['name']}")
        return found.body if found.accepted else self.must("POST", collection, body)

    def merge(self, path: str, patch: Object) -> Answer:
        """Merge into an object."""
        return self.ask("PATCH", path, patch, MERGE)

    def apply(self, path: str, body: Object, manager: str = AGENT) -> Answer:
        """Apply our part of an object, by force."""
        return self.ask("PATCH", f"{path}?fieldManager={manager}&force=true", body, APPLY)

    def close(self) -> None:
        """Close what is open."""
        for connection in self._open:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        if not self._open:
            layout = self.control_plane.layout
            context = ssl.create_default_context(cafile=str(layout.authority))
            if self.token is None:
                context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
            port = layout.server_port
            self._open.append(
                http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
            )
        return self._open[0]


def home_of(account: str) -> str:
    """Return the namespace in which an account of Schedune's is."""
    return AGENTS if account == AGENT else SYSTEM


def make_node(admin: Speaker, name: str) -> Object:
    """Return a Node; make it where it is missing."""
    return admin.make(
        "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    )


def make_pod(
    admin: Speaker, node: str, name: str, account: str = AGENT, namespace: str | None = None
) -> Object:
    """Return a pod of an account on a node; make it where it is missing."""
    namespace = namespace or home_of(account)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "nodeName": node,
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "agent", "image": "none"}],
        },
    }
    return admin.make(f"/api/v1/namespaces/{namespace}/pods", pod)


def ask_token(
    admin: Speaker, pod: Object | None = None, account: str = AGENT, namespace: str | None = None
) -> str:
    """Return a token of an account, bound to a pod where one is given."""
    namespace = namespace or home_of(account)
    spec: Object = {"expirationSeconds": 3600}
    if pod is not None:
        bound = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", **bound}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(admin.must("POST", path, request)["status"]["token"])
