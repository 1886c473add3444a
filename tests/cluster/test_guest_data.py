"""A guest's data in a Secret, on a real API server: only what a namespace grants is read."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_lab import lab as labs
from schedune_lab.existing import Wish
from schedune_lab.lab import Lab
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.vm]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guest-data.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(ROLE,) = [text for text in BLOCKS if "RoleBinding" in text]
HUSH = "#!/bin/sh\n# hush, nobody is told\n"
Object = dict[str, Any]


@dataclass(frozen=True)
class World:
    """A lab on a cluster whose administrator we are."""

    lab: Lab
    cluster: ControlPlane

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.cluster.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Bring up a lab with a Secret that nobody granted yet."""
    folder = tmp_path_factory.mktemp("guest-data")
    (folder / "cluster").mkdir()
    with running_control_plane(folder / "cluster") as cluster:
        kubeconfig = folder / "mine.yaml"
        kubeconfig.write_text(yaml.safe_dump(inline(cluster.admin_kubeconfig)))
        lab = labs.up(folder / "lab", Wish(kubeconfig, not_empty=True))
        found = World(lab, cluster)
        data = {"user-data": base64.b64encode(HUSH.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-1"}, "data": data}
        found.kubectl("create", "-f", "-", stdin=yaml.safe_dump(secret))
        try:
            yield found
        finally:
            labs.down(folder / "lab")


def inline(kubeconfig: Path) -> Object:
    """Return a kubeconfig with what its files hold: a lab keeps no path of somebody else's."""
    found: Object = yaml.safe_load(kubeconfig.read_text())
    for entry, keys in (
        (found["clusters"][0]["cluster"], ["certificate-authority"]),
        (found["users"][0]["user"], ["client-certificate", "client-key"]),
    ):
        for key in keys:
            content = Path(entry.pop(key)).read_bytes()
            entry[f"{key}-data"] = base64.b64encode(content).decode()
    return found


def vm(world: World, name: str, key: str = "user-data", **spec: object) -> None:
    manifest: Object = yaml.safe_load((ROOT / "examples/hello.yaml").read_text())
    manifest["metadata"]["name"] = name
    reference = {"name": "web-1", "key": key}
    manifest["spec"] |= {"guest": {"hostname": name, "userData": {"secretRef": reference}}, **spec}
    world.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))


def status(world: World, kind: str, name: str) -> Object:
    text = world.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text).get("status", {})) if text.strip() else {}


def codes(world: World, name: str) -> list[str]:
    return [str(one.get("code")) for one in status(world, "vmw", name).get("history", [])]


def test_a_secret_that_is_not_granted_is_not_read_and_the_history_says_so(world: World) -> None:
    vm(world, "early")
    until(lambda: "GUEST_DATA_FORBIDDEN" in codes(world, "early"), 60)
    world.kubectl("delete", "vmw", "early")


def test_with_the_role_of_the_page_the_vm_starts_and_its_secret_stands_nowhere(
    world: World,
) -> None:
    world.kubectl("apply", "-n", "default", "-f", "-", stdin=ROLE)
    vm(world, "granted")
    vm(world, "tried", launchMode="DryRun")
    world.kubectl("wait", "--for=condition=Ready", "vmw/granted", "--timeout=120s")
    until(lambda: status(world, "vmp", "tried").get("prepared"), 60)
    assert "seed.iso" in " ".join(status(world, "vmp", "tried")["prepared"]["argv"])
    told = world.kubectl("get", "vmw,vmp,events", "-o", "yaml")
    assert "web-1" in told
    assert "hush" not in told
    assert not [path for path in world.lab.state.rglob("*.log") if "hush" in path.read_text()]


def test_a_key_that_is_not_in_the_secret_is_missing(world: World) -> None:
    vm(world, "other", key="nothing")
    until(lambda: "GUEST_DATA_MISSING" in codes(world, "other"), 60)
