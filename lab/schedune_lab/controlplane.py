"""A real Kubernetes control plane as processes: etcd, kube-apiserver, controller manager.

Recipe and traps: kube-apiserver is told a private etcd prefix and the port it gets is
checked, since a port collision would attach it to a stranger's etcd without an error.
"""

import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from schedune_lab.certificates import Authority, write_service_account_keys
from schedune_lab.kubeconfig import write_kubeconfig
from schedune_lab.ports import free_ports
from schedune_lab.progress import LabError

PartName = Literal["etcd", "kube-apiserver", "kube-controller-manager"]

CONTROLLERS: Final = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",  # gives view, edit and admin our rights for people
)
"""Only what the lab needs. No node life cycle: nobody evicts pods of nodes without a kubelet."""
READY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Reach:
    """Where an API server is reached, and by whom beside people and controllers."""

    address: str = "127.0.0.1"
    service_range: str = "10.0.0.0/24"
    """Addresses of services; its first one is that of the API server inside the cluster."""
    server_flags: Sequence[str] = ()
    """What it needs to speak to kubelets."""
    controllers: Sequence[str] = CONTROLLERS


ON_LOOPBACK: Final = Reach()
"""For a cluster without a real node."""


@dataclass(frozen=True)
class Layout:
    """Where everything of one control plane is."""

    folder: Path
    binaries: Path
    etcd_port: int
    peer_port: int
    server_port: int
    controller_port: int
    prefix: str
    reach: Reach = ON_LOOPBACK

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.reach.address}:{self.server_port}"

    @property
    def authority(self) -> Path:
        """The certificate that proves the API server."""
        return self.pki / "ca.crt"

    @property
    def admin_kubeconfig(self) -> Path:
        """system:masters: for the set-up only."""
        return self.folder / "set-up.kubeconfig"

    @property
    def admin_secrets(self) -> tuple[Path, ...]:
        """Everything by which one can be system:masters."""
        return self.admin_kubeconfig, self.pki / "admin.crt", self.pki / "admin.key"

    @property
    def kubectl(self) -> Path:
        """The kubectl of this control plane's version."""
        return self.binaries / "kubectl"


def prepare(folder: Path, binaries: Path) -> tuple[Layout, Authority]:
    """Choose ports and make certificates for a new control plane."""
    etcd, peer, server, controller = free_ports(4)
    layout = Layout(
        folder, binaries, etcd, peer, server, controller, f"/lab-{secrets.token_hex(8)}"
    )
    return layout, certify(layout)


def certify(layout: Layout) -> Authority:
    """Make the certificates and kubeconfigs of a control plane."""
    authority = Authority(layout.pki)
    authority.sign_server(layout.reach.address)
    write_service_account_keys(layout.pki)
    admin = authority.sign_client("admin", "schedune-lab-set-up", "system:masters")
    write_kubeconfig(layout.admin_kubeconfig, layout.server, layout.authority, pair=admin)
    controllers = authority.sign_client("controllers", "system:kube-controller-manager")
    write_kubeconfig(
        layout.folder / "controllers.kubeconfig", layout.server, layout.authority, pair=controllers
    )
    return authority


def argv_of(part: PartName, layout: Layout) -> Sequence[str]:
    """Return the command line of a part."""
    binary = str(layout.binaries / part)
    match part:
        case "etcd":
            return [binary, *_etcd(layout)]
        case "kube-apiserver":
            return [binary, *_apiserver(layout)]
        case "kube-controller-manager":
            return [binary, *_controllers(layout)]


def _etcd(layout: Layout) -> list[str]:
    client, peer = f"http://127.0.0.1:{layout.etcd_port}", f"http://127.0.0.1:{layout.peer_port}"
    return [
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        f"--etcd-prefix={layout.prefix}",
        f"--bind-address={layout.reach.address}",
        f"--advertise-address={layout.reach.address}",
        f"--secure-port={layout.server_port}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={pki}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={layout.authority}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-cluster-ip-range={layout.reach.service_range}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        *layout.reach.server_flags,
    ]


def _controllers(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--kubeconfig={layout.folder / 'controllers.kubeconfig'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={layout.authority}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.controller_port}",
        f"--cert-dir={layout.folder / 'controllers-pki'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--controllers={','.join(layout.reach.controllers)}",
    ]


def is_ready(layout: Layout) -> bool:
    """Ask the API server whether it is ready."""
    context = ssl.create_default_context(cafile=str(layout.authority))
    try:
        with urllib.request.urlopen(
            f"{layout.server}/readyz", context=context, timeout=2
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until_ready(layout: Layout, limit_s: float = READY_SECONDS) -> None:
    """Wait for the API server.

    Raises:
        LabError: it did not become ready; names its log.
    """
    deadline = time.monotonic() + limit_s
    while not is_ready(layout):
        if time.monotonic() > deadline:
            log = layout.folder / "log" / "kube-apiserver.log"
            raise LabError(f"kube-apiserver was not ready after {limit_s:.0f} s; see {log}")
        time.sleep(0.1)


def check_etcd_is_ours(layout: Layout) -> None:
    """Refuse an etcd that holds somebody else's data.

    Raises:
        LabError: a stranger answers on the port.
    """
    deadline = time.monotonic() + READY_SECONDS
    count = 0
    url = f"http://127.0.0.1:{layout.etcd_port}/v3/kv/range"
    everything = json.dumps({"key": "AA==", "range_end": "AA==", "count_only": True}).encode()
    while True:
        try:
            request = urllib.request.Request(url, data=everything)
            with urllib.request.urlopen(request, timeout=2) as answer:
                count = int(json.load(answer).get("count", 0))
            break
        except (urllib.error.URLError, OSError, ValueError) as error:
            if time.monotonic() > deadline:
                raise LabError(
                    f"etcd does not answer on port {layout.etcd_port}: {error}"
                ) from error
            time.sleep(0.05)
    if count:
        raise LabError(
            f"the etcd on port {layout.etcd_port} is not new: it holds {count} keys of others"
        )
