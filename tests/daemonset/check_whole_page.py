"""docs/install.md, typed as it stands on a real node: from nothing to a VM, and back to nothing.

Last of all checks here: what the others installed is what is removed first.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu
from schedune_testing.realnode.addresses import NAME
from schedune_testing.realnode.node import RealNode
from schedune_testing.realnode.product import until

pytestmark = pytest.mark.timeout(1800)
ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "install.md").read_text()
OURS: Final = re.compile(r"\b(NODE|REGISTRY)\b")
"""What is the reader's own on the page, beside the names of files."""
VALUES: Final = {"NODE": NAME, "REGISTRY": "docker.io/library"}


def section(title: str) -> str:
    """Return what stands below a heading, up to the next of its rank or above (no comment)."""
    rank, _, _ = title.partition(" ")
    _, _, rest = PAGE.partition(f"\n{title}\n")
    assert rest, title
    return re.split(rf"^#{{1,{len(rank)}}} (?!-)", rest, maxsplit=1, flags=re.MULTILINE)[0]


def yaml_in(title: str) -> str:
    """Return the one manifest below a heading, with what is the reader's."""
    (block,) = re.findall(r"```yaml\n(.*?)```", section(title), re.DOTALL)
    return OURS.sub(lambda found: VALUES[found[0]], block)


def commands_in(title: str) -> list[str]:
    """Return the commands below a heading, with what is the reader's."""
    text = re.sub(r"```.*?```", "", section(title), flags=re.DOTALL)
    lines = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    return [OURS.sub(lambda found: VALUES[found[0]], one) for one in lines]


@dataclass(frozen=True)
class Reader:
    """Somebody with a checkout and a shell, who types what the page says."""

    node: RealNode
    checkout: Path

    def type(self, command: str, **own: str) -> str:
        """Type a command; what it says is shown with ``-s``."""
        for name, value in own.items():
            command = re.sub(rf"\b{name}\b", value, command)
        code, said = self.tries(command)
        assert code == 0, f"$ {command}\n{said}"
        return said

    def tries(self, command: str) -> tuple[int, str]:
        """Type a command that may fail."""
        programs = f"{Path(sys.executable).parent}:{self.node.layout.kubectl.parent}"
        environment: Mapping[str, str] = {
            "KUBECONFIG": str(self.node.layout.admin_kubeconfig),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "COLUMNS": "120",
        }
        script = f"cd {self.checkout} && {command}"
        done = self.node.machine.run("sh", "-c", script, environment=environment)
        sys.stdout.write(f"$ {command}\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout + done.stderr

    def types_all(self, title: str, **own: str) -> list[str]:
        """Type every command below a heading, in order."""
        return [self.type(one, **own) for one in commands_in(title)]


@pytest.fixture(scope="module")
def reader(node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Begin with nothing of Schedune's, on the node and in the cluster."""
    ensure_qemu()
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("manifests", "crds"):
        (checkout / name).symlink_to(ROOT / name, target_is_directory=True)
    found = Reader(node, checkout)
    found.type("kubectl kustomize manifests/overlays/launch > install.yaml")
    found.type("kubectl delete --ignore-not-found -f install.yaml")
    found.type(f"rm -rf {' '.join(('/run/schedune', '/var/lib/schedune/*', '/opt/schedune'))}")
    found.type("rm -d /var/lib/schedune || true")
    return found


def put_images(reader: Reader) -> None:
    kernel, initrd = ensure_kernel(), reader.checkout / "initrd"
    build_initrd(ensure_busybox(), kernel, initrd)
    # In one shell: the first of them goes there.
    lines = " && ".join(commands_in("### Images of guests"))
    reader.type(lines, KERNEL=str(kernel.image), INITRD=str(initrd))


def fresh(reader: Reader) -> bool:
    return " True" in reader.type("kubectl get nodetruths --no-headers")


def test_every_step_of_the_page_works_as_it_stands(reader: Reader) -> None:
    put_images(reader)
    (reader.checkout / "my-schedune").mkdir()
    (reader.checkout / "my-schedune" / "kustomization.yaml").write_text(yaml_in("## 3. Apply"))
    reader.types_all("## 3. Apply")
    until("the node is known", lambda: fresh(reader))
    assert NAME in reader.type("schedune nodes")
    reader.types_all("## 4. Say what VMs may use")
    first = reader.checkout / "first.yaml"
    first.write_text(yaml_in("## 5. A VM, explained"))
    apply, wait, describe, delete = commands_in("## 5. A VM, explained")

    reader.type(apply)
    until("it is explained", lambda: "KVM" in reader.type(describe))
    first.write_text(f"{first.read_text()}  acceleration: Emulated\n")
    reader.type(apply)
    reader.type(wait)
    described = reader.type(describe)
    assert f"placed on {NAME}" in described
    assert "REJECT_" not in described  # nothing of what stood in its way before
    assert "first" in reader.type("schedune explain -A")
    reader.type(f"schedune why-not first {NAME}")
    said = "schedune-guest: kernel"  # Ready is its VMM: the guest may still boot
    until("the guest speaks", lambda: said in reader.type("schedune logs default/first"))
    (afar,) = re.findall(r"`(kubectl [^`]* exec POD [^`]*)`", section("## 5. A VM, explained"))
    assert said in reader.type(afar, POD="ds/schedune-agent")
    reader.type(delete)
    assert reader.type("kubectl get vmplacements") == "No resources found in default namespace.\n"

    reader.type(apply)
    reader.type(wait)
    *before, check, remove, unit, clean = commands_in("## Remove")
    assert unit == "systemctl disable --now schedune-vms.service"  # no reader enabled it here
    code, said = reader.tries(check)
    assert code != 0
    assert "default/first" in said
    for one in before:
        reader.type(one)
    reader.type(check)
    reader.type(remove)
    until("pods are gone", lambda: not reader.node.get("pods", "-A").get("items"))
    reader.type(clean)
    left = reader.type("kubectl get crds,ns,clusterroles,validatingadmissionpolicies -o name")
    assert "schedune" not in left
