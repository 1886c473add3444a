"""The scheduler that is measured against: kube-scheduler, and the pods that it binds."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from schedune_kube.client import KubeClient, Raw
from schedune_kube.resources import PODS, SERVICEACCOUNTS, Resource
from schedune_lab.kubeconfig import write_kubeconfig
from schedune_lab.ports import free_ports
from schedune_testing.control_plane import ControlPlane

NAMESPACE: Final = "default"
AT_ONCE: Final = 32
_SYSTEM: Final = "schedune-system"
_RBAC: Final = "rbac.authorization.k8s.io"
_BINDINGS: Final = Resource(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)


async def in_parallel(work: Sequence[Any]) -> float:
    """Await everything, some at once; return the seconds."""
    turns, started = asyncio.Semaphore(AT_ONCE), time.monotonic()

    async def one(item: Any) -> None:
        async with turns:
            await item

    await asyncio.gather(*(one(item) for item in work))
    return time.monotonic() - started


async def scheduler_argv(plane: ControlPlane, admin: KubeClient, program: Path) -> list[str]:
    """Return the command line of a kube-scheduler with a token and rights of its own."""
    folder, account = plane.layout.folder, "bench-scheduler"
    subject = {"kind": "ServiceAccount", "name": account, "namespace": _SYSTEM}
    whole = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    await admin.create(SERVICEACCOUNTS, whole, _SYSTEM)
    for role in ("system:kube-scheduler", "system:volume-scheduler"):
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"bench-{role.rpartition(':')[2]}"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        }
        await admin.create(_BINDINGS, binding)
    asked = {"spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 7200}}
    told = await admin.create_subresource(SERVICEACCOUNTS, account, "token", asked, _SYSTEM)
    token, kubeconfig = folder / "scheduler.token", folder / "scheduler.kubeconfig"
    token.write_text(told["status"]["token"])
    write_kubeconfig(kubeconfig, plane.layout.server, plane.layout.authority, token_file=token)
    config = folder / "scheduler.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": False},
                "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 10000, "burst": 10000},
            }
        )
    )
    (port,) = free_ports(1)
    return [str(program), f"--config={config}", f"--secure-port={port}", "--bind-address=127.0.0.1",
            f"--cert-dir={folder / 'scheduler-pki'}"]  # fmt: skip


def pod(number: int) -> Raw:
    """Return a pod that fits everywhere."""
    requests = {"cpu": "1", "memory": "256Mi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number:05}", "namespace": NAMESPACE},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "vm", "image": "none.invalid/none", "resources": {"requests": requests}}
            ],
        },
    }


async def make_pods(admin: KubeClient, count: int) -> None:
    """Make pods that nobody schedules yet."""
    await in_parallel([admin.create(PODS, pod(number), NAMESPACE) for number in range(count)])
