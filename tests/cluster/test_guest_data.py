"""A guest's data in a Secret, on a real API server: only what a namespace grants is read."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_lab import lab as labs
from schedune_lab.lab import Lab
from schedune_testing.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.vm]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guest-data.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(ROLE,) = [text for text in BLOCKS if "RoleBinding" in text]
HUSH = "#!/bin/sh\n# hush, nobody is told\n"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring up a lab with a Secret that nobody granted yet."""
    folder = tmp_path_factory.mktemp("lab") / "state"
    found = labs.up(folder)
    data = {"user-data": base64.b64encode(HUSH.encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-1"}, "data": data}
    admin(found, "apply", "-f", "-", stdin=yaml.safe_dump(secret))
    yield found
    labs.down(folder)


def admin(lab: Lab, *arguments: str, stdin: str | None = None) -> str:
    argv = [str(lab.kubectl), "--kubeconfig", str(lab.user_kubeconfig), *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def vm(lab: Lab, name: str, key: str = "user-data", **spec: object) -> None:
    manifest: Object = yaml.safe_load((ROOT / "examples/hello.yaml").read_text())
    manifest["metadata"]["name"] = name
    reference = {"name": "web-1", "key": key}
    manifest["spec"] |= {"guest": {"hostname": name, "userData": {"secretRef": reference}}, **spec}
    admin(lab, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))


def status(lab: Lab, kind: str, name: str) -> Object:
    text = admin(lab, "get", kind, name, "--ignore-not-found", "-o", "json")
    return dict(json.loads(text).get("status", {})) if text.strip() else {}


def codes(lab: Lab, name: str) -> list[str]:
    return [str(one.get("code")) for one in status(lab, "vmw", name).get("history", [])]


def test_a_secret_that_is_not_granted_is_not_read_and_the_history_says_so(lab: Lab) -> None:
    vm(lab, "early")
    until(lambda: "GUEST_DATA_FORBIDDEN" in codes(lab, "early"), 60)
    admin(lab, "delete", "vmw", "early")


def test_with_the_role_of_the_page_the_vm_starts_and_its_secret_stands_nowhere(lab: Lab) -> None:
    admin(lab, "apply", "-n", "default", "-f", "-", stdin=ROLE)
    vm(lab, "granted")
    vm(lab, "tried", launchMode="DryRun")
    admin(lab, "wait", "--for=condition=Ready", "vmw/granted", "--timeout=120s")
    until(lambda: status(lab, "vmp", "tried").get("prepared"), 60)
    assert "seed.iso" in " ".join(status(lab, "vmp", "tried")["prepared"]["argv"])
    told = admin(lab, "get", "vmw,vmp,events", "-o", "yaml")
    assert "web-1" in told
    assert "hush" not in told
    assert not [path for path in lab.state.rglob("*.log") if "hush" in path.read_text()]


def test_a_key_that_is_not_in_the_secret_is_missing(lab: Lab) -> None:
    vm(lab, "other", key="nothing")
    until(lambda: "GUEST_DATA_MISSING" in codes(lab, "other"), 60)
