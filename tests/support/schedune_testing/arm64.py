"""An arm64 machine's QEMU, kernel and busybox, on whatever machine this is.

On another one they are packages of the distribution, unpacked into the cache, not installed.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.machine import KernelFiles, ensure_busybox, ensure_kernel, ensure_qemu
from schedune_lab.progress import say
from schedune_testing.debian import packages

_BINARY: Final = "qemu-system-aarch64"


def ensure_arm64_qemu() -> Path:
    """Return a QEMU for guests of arm64 that runs here."""
    ensure_qemu()
    installed = shutil.which(_BINARY)
    if installed is None:
        return packages("qemu-system-arm", ["qemu-system-arm"]).program(f"usr/bin/{_BINARY}")
    return Path(installed)


def ensure_arm64_kernel() -> tuple[KernelFiles, Path]:
    """Return a kernel and a static busybox of arm64."""
    if platform.machine() == "aarch64":
        return ensure_kernel(), ensure_busybox()
    tree = cache_directory() / "debian" / "arm64"
    with only_one("debian-arm64"):
        if not tree.exists():
            _fetch(tree)
    image = next((tree / "boot").glob("vmlinuz-*"))
    release = image.name.removeprefix("vmlinuz-")
    kernel = KernelFiles(image, next(tree.glob(f"**/lib/modules/{release}")), release)
    return kernel, next(tree.glob("**/bin/busybox"))


def _fetch(tree: Path) -> None:
    say("fetching a kernel of arm64 (unpacked into the cache, not installed)")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix="fetch-") as name:
        folder = Path(name)
        environment = _lists_of_arm64(folder)
        _run(["apt-get", "update", "-qq"], environment)
        named = _run(["apt-cache", "depends", "linux-image-arm64"], environment)
        (folder / "archives").mkdir()
        for package in (named.split()[-1], "busybox-static"):
            _run(["apt-get", "download", "-qq", package], environment, folder / "archives")
        for archive in (folder / "archives").glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(folder / "tree")], environment)
        (folder / "tree").replace(tree)


def _lists_of_arm64(folder: Path) -> dict[str, str]:
    """Let apt keep its lists of another architecture here: this machine's own stay as they are."""
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "state" / "status").touch()
    settings = folder / "apt.conf"
    settings.write_text(
        f'APT::Architecture "arm64"; APT::Architectures {{ "arm64"; }};\n'
        f'Dir::State "{folder}/state"; Dir::State::status "{folder}/state/status";\n'
        f'Dir::Cache "{folder}/cache"; APT::Sandbox::User "";\n'
    )
    return {**os.environ, "APT_CONFIG": str(settings)}


def _run(argv: list[str], environment: dict[str, str], folder: Path | None = None) -> str:
    done = subprocess.run(
        argv, env=environment, cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{argv}: {done.stderr[-800:]}"
    return done.stdout
