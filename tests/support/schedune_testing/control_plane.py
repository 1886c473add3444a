"""A real control plane for tests: started in a folder of its own, ended exactly."""

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedune_lab import cluster, processes, toolchain
from schedune_lab import controlplane as parts

OPERATOR = "system:serviceaccount:schedune-system:schedune-operator"
_API = "/apis/schedune.io/v1alpha1"


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether the request was served."""
        return self.status < 300

    @property
    def message(self) -> str:
        """The server's words about a refusal."""
        return str(self.body.get("message", ""))


class Part:
    """One process of the control plane, which can be ended and started again."""

    def __init__(
        self, layout: parts.Layout, name: parts.PartName, flags: Sequence[str] = ()
    ) -> None:
        self._layout, self._name, self._flags = layout, name, flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it goes on with the data that it left."""
        log = self._layout.folder / "log" / f"{self._name}.log"
        argv = [*parts.argv_of(self._name, self._layout), *self._flags]
        self._process = processes.start(argv, log)

    def end(self) -> None:
        """End it, and return when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        identity = processes.identify(process.pid)
        gone = identity is None or processes.end(identity)
        process.wait(timeout=10)
        assert gone, f"{self._name} (pid {process.pid}) does not end"


@dataclass(frozen=True)
class ControlPlane:
    """A running API server with Schedune's definitions, rights and policies."""

    layout: parts.Layout
    api_server: Part
    etcd: Part
    _connections: list[http.client.HTTPSConnection] = field(default_factory=list)

    @property
    def admin_kubeconfig(self) -> Path:
        """Full rights."""
        return self.layout.admin_kubeconfig

    def kubectl(
        self, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, whatever comes of it."""
        argv = [
            str(self.layout.kubectl),
            f"--kubeconfig={self.admin_kubeconfig}",
            f"--cache-dir={self.layout.folder / 'kubectl-cache'}",  # knows our kinds from the start
            *arguments,
        ]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)

    def post(
        self, manifest: Mapping[str, Any], *, dry_run: bool = True, user: str | None = None
    ) -> Answer:
        """Create an object in the namespace default; by default only as a trial."""
        url = f"{_collection(manifest)}?fieldValidation=Strict{_dry(dry_run)}"
        return self.ask("POST", url, manifest, user=user)

    def put(self, manifest: Mapping[str, Any], *, dry_run: bool = True) -> Answer:
        """Replace an object; by default only as a trial."""
        url = f"{_collection(manifest)}/{manifest['metadata']['name']}"
        return self.ask("PUT", f"{url}?fieldValidation=Strict{_dry(dry_run)}", manifest)

    def merge(
        self, manifest: Mapping[str, Any], patch: object, *, user: str, dry_run: bool = True
    ) -> Answer:
        """Merge into an object in a user's name; by default only as a trial."""
        url = f"{_collection(manifest)}/{manifest['metadata']['name']}"
        form = "application/merge-patch+json"
        return self.ask(
            "PATCH", f"{url}?fieldValidation=Strict{_dry(dry_run)}", patch, form, user=user
        )

    def delete(self, manifest: Mapping[str, Any]) -> Answer:
        """Delete an object."""
        return self.ask("DELETE", f"{_collection(manifest)}/{manifest['metadata']['name']}")

    def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        form: str = "application/json",
        *,
        user: str | None = None,
    ) -> Answer:
        """Send one request over a connection that stays open, perhaps in a user's name."""
        headers = {"Content-Type": form}
        if user:
            headers["Impersonate-User"] = user
        text = json.dumps(body) if body is not None else None
        connection = self._connection()
        try:
            connection.request(method, url, text, headers)
            answer = connection.getresponse()
        except OSError:
            # The server closes what was idle for long; nothing of the request was read.
            connection.close()
            connection.request(method, url, text, headers)
            answer = connection.getresponse()
        return Answer(answer.status, json.loads(answer.read()))

    def _connection(self) -> http.client.HTTPSConnection:
        if not self._connections:
            context = ssl.create_default_context(cafile=str(self.layout.authority))
            context.load_cert_chain(self.layout.pki / "admin.crt", self.layout.pki / "admin.key")
            port = self.layout.server_port
            self._connections.append(
                http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
            )
        return self._connections[0]

    def close(self) -> None:
        """Close what is open."""
        for connection in self._connections:
            connection.close()


@contextmanager
def running_control_plane(
    folder: Path, api_server_flags: Sequence[str] = (), *, installed: bool = True
) -> Iterator[ControlPlane]:
    """Run a control plane as long as the context lasts; by default Schedune is installed on it."""
    (folder / "log").mkdir()
    layout, _ = parts.prepare(folder, toolchain.find_binaries())
    etcd, controllers = Part(layout, "etcd"), Part(layout, "kube-controller-manager")
    api_server = Part(layout, "kube-apiserver", api_server_flags)
    with ExitStack() as stack:
        for part in (etcd, api_server, controllers):
            stack.callback(part.end)
        etcd.start()
        parts.check_etcd_is_ours(layout)
        api_server.start()
        parts.wait_until_ready(layout)
        controllers.start()
        if installed:
            cluster.install(cluster.Setup(layout.kubectl, layout.admin_kubeconfig))
        found = ControlPlane(layout, api_server, etcd)
        stack.callback(found.close)
        yield found


def _collection(manifest: Mapping[str, Any]) -> str:
    plural = f"{manifest['kind'].lower()}s"
    if manifest["kind"] == "NodeTruth":
        return f"{_API}/{plural}"
    return f"{_API}/namespaces/default/{plural}"


def _dry(dry_run: bool) -> str:
    return "&dryRun=All" if dry_run else ""
