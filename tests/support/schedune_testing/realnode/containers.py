"""What runs the pods of a real node: containerd, its network, the image that holds a pod."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schedune_lab.debian import Unpacked
from schedune_testing.realnode import addresses
from schedune_testing.realnode.addresses import PAUSE, Tree

_SETTINGS: Final = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{network}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def containerd_argv(tree: Tree, packages: Unpacked) -> Sequence[str]:
    """Write containerd's settings and its network, and return its command line."""
    network = tree.root / "network"
    network.mkdir()
    (network / "10-bridge.conflist").write_text(json.dumps(_bridge()))
    settings = tree.root / "containerd.toml"
    settings.write_text(
        _SETTINGS.format(
            socket=addresses.CONTAINERD,
            pause=PAUSE,
            plugins=packages.root / "usr/lib/cni",
            network=network,
        )
    )
    return [str(packages.program("containerd")), "--config", str(settings)]


def _bridge() -> dict[str, Any]:
    """Pods reach the node's own addresses, and with that the API server; nothing else."""
    ranges = [[{"subnet": addresses.PODS}]]
    routes = [{"dst": "0.0.0.0/0"}]
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def write_pause(busybox: Path, archive: Path) -> None:
    """Write the archive of the image that holds a pod's namespaces: busybox, asleep."""
    layer = _tar({"busybox": (0o755, busybox.read_bytes())})
    settings = json.dumps(
        {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Entrypoint": ["/busybox", "sleep", "2147483647"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
        }
    ).encode()
    named = f"{_sha256(settings)}.json"
    manifest = [{"Config": named, "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, named: settings, "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar({name: (0o644, content) for name, content in files.items()}))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tar(files: dict[str, tuple[int, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (mode, content) in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
