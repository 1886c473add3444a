"""What the lab needs of this machine: QEMU, static busybox, a guest kernel."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.progress import LabError, say

_QEMU: Final = {
    "x86_64": ("qemu-system-x86_64", "qemu-system-x86"),
    "aarch64": ("qemu-system-aarch64", "qemu-system-arm"),
}
_KERNELS: Final = {
    "x86_64": (r"linux-image-\d\S*-cloud-amd64", r"linux-image-\d\S*-generic"),
    "aarch64": (r"linux-image-\d((?!cloud|rt)\S)*-arm64", r"linux-image-\d\S*-generic"),
}
"""Those for clouds are small; that for arm64 has no power button where no firmware tells of one."""
_BUSYBOX: Final = Path("/bin/busybox")


@dataclass(frozen=True)
class KernelFiles:
    """A kernel, unpacked and not installed."""

    image: Path
    modules: Path
    release: str


def ensure_qemu() -> None:
    """Install QEMU for this machine's architecture where it is missing."""
    binary, package = _for_machine(_QEMU)
    if shutil.which(binary) is None:
        _install(package, binary)


def ensure_busybox() -> Path:
    """Return a static busybox; install it where it is missing."""
    if not _BUSYBOX.exists() or not _is_static(_BUSYBOX):
        _install("busybox-static", "busybox")
    return _BUSYBOX


def ensure_kernel() -> KernelFiles:
    """Return a guest kernel: the newest of the distribution, downloaded and unpacked once."""
    folder = cache_directory() / "kernel"
    with only_one("kernel"):
        found = _unpacked(folder)
        if found is None:
            _download_kernel(folder)
            found = _unpacked(folder)
    if found is None:
        raise LabError(
            f"no kernel image was found in what was unpacked to {folder}; remove the folder"
        )
    return found


def _for_machine(table: dict[str, tuple[str, str]]) -> tuple[str, str]:
    machine = platform.machine()
    if machine not in table:
        raise LabError(f"the lab runs on x86_64 and aarch64 machines, this is {machine}")
    return table[machine]


def _is_static(binary: Path) -> bool:
    """A dynamic program names its interpreter; a static one has none to name."""
    return b"/ld-linux" not in binary.read_bytes()[:8192]


def _install(package: str, what: str) -> None:
    """Install a package of the distribution as root, or by sudo without a question."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", package]
    by_hand = f"install the package {package} yourself: sudo {' '.join(command)}"
    if shutil.which("apt-get") is None:
        raise LabError(f"{what} is missing and this machine has no apt-get; {by_hand}")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and shutil.which("sudo") is None:
        raise LabError(f"{what} is missing, and there is neither root nor sudo; {by_hand}")
    say(f"{what} is missing: installing {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        [*prefix, "apt-get", "update", "-qq"], env=environment, check=False, capture_output=True
    )
    done = subprocess.run(
        [*prefix, *command], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise LabError(
            f"{what} is missing and could not be installed; {by_hand}\n{done.stderr[-800:]}"
        )


def _download_kernel(folder: Path) -> None:
    package = _newest_kernel_package()
    say(f"fetching {package} (unpacked into the cache, not installed)")
    folder.mkdir(parents=True, exist_ok=True)
    names = [package]
    if "generic" in package:
        names.append(package.replace("linux-image-", "linux-modules-"))
    with tempfile.TemporaryDirectory(dir=folder, prefix="unpack-") as temporary:
        Path(temporary).chmod(0o755)
        for name in names:
            _run(
                ["apt-get", "download", name],
                Path(temporary),
                f"cannot download the package {name}",
            )
        for archive in Path(temporary).glob("*.deb"):
            _run(
                ["dpkg-deb", "-x", str(archive), "tree"],
                Path(temporary),
                f"cannot unpack {archive.name}",
            )
        (Path(temporary) / "tree").replace(folder / package)


def _newest_kernel_package() -> str:
    patterns = _for_machine(_KERNELS)
    names = _search(patterns)
    if not names:
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*prefix, "apt-get", "update", "-qq"], check=False, capture_output=True)
        names = _search(patterns)
    if not names:
        raise LabError(f"apt knows no kernel package like {patterns[0]}; run: sudo apt-get update")
    return names[-1]


def _search(patterns: tuple[str, str]) -> list[str]:
    told = subprocess.run(
        ["apt-cache", "pkgnames", "linux-image-"], capture_output=True, text=True, check=False
    )
    for pattern in patterns:
        names = [name for name in told.stdout.split() if re.fullmatch(pattern, name)]
        if names:
            return sorted(names, key=_version_key)
    return []


def _version_key(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


def _run(argv: list[str], folder: Path, failure: str) -> None:
    done = subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{failure}: {done.stderr[-800:]}")


def _unpacked(folder: Path) -> KernelFiles | None:
    images = sorted(
        folder.glob("linux-image-*/boot/vmlinuz-*"), key=lambda path: _version_key(path.name)
    )
    if not images:
        return None
    image = images[-1]
    release = image.name.removeprefix("vmlinuz-")
    tree = image.parents[1]
    for modules in (tree / "lib" / "modules" / release, tree / "usr" / "lib" / "modules" / release):
        if modules.is_dir():
            return KernelFiles(image, modules, release)
    return None
