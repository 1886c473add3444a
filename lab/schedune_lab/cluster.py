"""A lab's cluster, its own or a given one: how it is reached, and what is installed on it."""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import KubeconfigError, from_kubeconfig
from schedune_kube.resources import CRDS
from schedune_lab.objects import Additions, Manifest
from schedune_lab.progress import LabError

ROOT: Final = Path(__file__).resolve().parents[2]
_WAIT_S: Final = 60.0
_WITHOUT_PODS: Final = ("namespaces.yaml", "rbac.yaml", "policies.yaml", "fairness.yaml")
"""What a user installs but for what runs as pods: in a lab operator and agents are processes."""


@dataclass(frozen=True)
class Setup:
    """The rights of the set-up: the lab itself gets its own, which are fewer."""

    kubectl: Path
    kubeconfig: Path
    context: str | None = None

    def client(self) -> KubeClient:
        """Return a client with these rights.

        Raises:
            LabError: the kubeconfig is missing or not usable.
        """
        try:
            credentials = from_kubeconfig(self.kubeconfig, self.context)
        except KubeconfigError as error:
            raise LabError(str(error)) from error
        return KubeClient(credentials, field_manager="schedune-lab-set-up")

    def version(self) -> str:
        """Ask the API server for its version, for example v1.37.2.

        Raises:
            LabError: it gave none; with kubectl's words.
        """
        argv = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig)]
        argv += ["--context", self.context] if self.context else []
        argv += ["--request-timeout=10s", "get", "--raw", "/version"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(
                f"no API server answers by way of {self.kubeconfig}: {done.stderr.strip()[-800:]}"
            )
        return str(json.loads(done.stdout)["gitVersion"])


@dataclass(frozen=True)
class Access:
    """Where the API server is, what proves it, and the rights to set it up."""

    server: str
    authority: Path
    setup: Setup
    secrets: tuple[Path, ...] = ()
    """Files of the lab's that give the rights of the set-up: thrown away when it is done."""


def manifests() -> list[Manifest]:
    """Return what a user installs, and the rights of the lab's own people."""
    files = [
        *sorted((ROOT / "crds").glob("*.yaml")),
        *(ROOT / "manifests" / "base" / name for name in _WITHOUT_PODS),
        Path(__file__).with_name("lab_rbac.yaml"),
    ]
    return [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]


def install(setup: Setup) -> None:
    """Install on a cluster that nobody has to clean up: it ends with its tests."""

    async def run() -> None:
        async with setup.client() as client:
            await install_with(Additions(client))

    asyncio.run(run())


async def install_with(additions: Additions) -> None:
    """Install what is missing, the definitions first, and wait until they are served."""
    wanted = manifests()
    definitions = [one for one in wanted if one["kind"] == CRDS.kind]
    for manifest in definitions:
        await additions.add(manifest)
    await _wait_until_served(additions.client, definitions)
    for manifest in wanted:
        if manifest not in definitions:
            await additions.add(manifest)


async def _wait_until_served(client: KubeClient, definitions: list[Manifest]) -> None:
    deadline = time.monotonic() + _WAIT_S
    for manifest in definitions:
        name = manifest["metadata"]["name"]
        while not _is_established(await client.get(CRDS, name)):
            if time.monotonic() > deadline:
                raise LabError(f"the definition {name} is not established after {_WAIT_S:.0f} s")
            await asyncio.sleep(0.1)


def _is_established(definition: Manifest) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
