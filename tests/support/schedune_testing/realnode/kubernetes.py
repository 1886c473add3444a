"""The programs of Kubernetes on a real node: their certificates, settings and command lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from schedune_lab.certificates import Authority
from schedune_lab.controlplane import Layout, Reach, argv_of, certify
from schedune_lab.kubeconfig import write_kubeconfig
from schedune_testing.realnode import addresses
from schedune_testing.realnode.addresses import Tree

_ALL_CONTROLLERS: Final = ("*",)
KUBELET: Final = "kubelet"


def control_plane(tree: Tree, binaries: Path) -> tuple[Layout, Authority]:
    """Write what a control plane with a real node needs."""
    pki = tree.root / "pki"
    flags = [
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'to-kubelets.crt'}",
        f"--kubelet-client-key={pki / 'to-kubelets.key'}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        # Services of webhooks are called at their pods: there is no kube-proxy.
        "--enable-aggregator-routing=true",
    ]
    reach = Reach(addresses.SERVER, addresses.SERVICES, tuple(flags), _ALL_CONTROLLERS)
    layout = Layout(
        tree.root,
        binaries,
        addresses.ETCD_PORT,
        addresses.PEER_PORT,
        addresses.SERVER_PORT,
        addresses.CONTROLLERS_PORT,
        "/registry",
        reach,
    )
    authority = certify(layout)
    authority.sign_client("to-kubelets", "kube-apiserver-kubelet-client", "system:masters")
    for file, user, groups in (
        ("scheduler", "system:kube-scheduler", ()),
        (KUBELET, f"system:node:{addresses.NAME}", ("system:nodes",)),
    ):
        pair = authority.sign_client(file, user, *groups)
        path = tree.root / f"{file}.kubeconfig"
        write_kubeconfig(path, layout.server, layout.authority, pair=pair)
    user = f"system:node:{addresses.NAME}"
    authority.sign_serving(
        "kubelet-serving", user, [addresses.NAME], [addresses.NODE], "system:nodes"
    )
    return layout, authority


def control_plane_parts(layout: Layout) -> Mapping[str, Sequence[str]]:
    """Return the command lines of a control plane, in the order of their start."""
    folder = layout.folder
    controllers = [
        *argv_of("kube-controller-manager", layout),
        f"--flex-volume-plugin-dir={folder / 'volume-plugins'}",
    ]
    scheduler = [
        str(layout.binaries / "kube-scheduler"),
        f"--kubeconfig={folder / 'scheduler.kubeconfig'}",
        f"--authentication-kubeconfig={folder / 'scheduler.kubeconfig'}",
        f"--authorization-kubeconfig={folder / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={addresses.SCHEDULER_PORT}",
        f"--cert-dir={folder / 'scheduler-pki'}",
    ]
    return {
        "etcd": argv_of("etcd", layout),
        "kube-apiserver": argv_of("kube-apiserver", layout),
        "kube-controller-manager": controllers,
        "kube-scheduler": scheduler,
    }


def kubelet_argv(layout: Layout) -> Sequence[str]:
    """Write the kubelet's settings and return its command line."""
    settings = layout.folder / "kubelet.yaml"
    settings.write_text(yaml.safe_dump(_kubelet(layout)))
    return [
        str(layout.binaries / KUBELET),
        f"--config={settings}",
        f"--kubeconfig={layout.folder / 'kubelet.kubeconfig'}",
        f"--hostname-override={addresses.NAME}",
        f"--node-ip={addresses.NODE}",
        "--cert-dir=/var/lib/kubelet/pki",
    ]


def _kubelet(layout: Layout) -> dict[str, Any]:
    pki = layout.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.NODE,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(layout.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": True,
        "containerRuntimeEndpoint": f"unix://{addresses.CONTAINERD}",
        "enforceNodeAllocatable": [],
        "evictionHard": dict.fromkeys(
            ("imagefs.available", "memory.available", "nodefs.available", "nodefs.inodesFree"),
            "0%",
        ),
        "failCgroupV1": False,
        "failSwapOn": False,
        # Such rules would need a program that not every machine has.
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "resolvConf": "",
        "rotateCertificates": False,
        "tlsCertFile": str(pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-serving.key"),
    }
