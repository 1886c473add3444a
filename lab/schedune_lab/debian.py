"""Programs out of Debian packages: downloaded and unpacked into the cache, never installed.

What runs is thereby what the distribution serves, whatever is installed on this machine.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.progress import LabError, say

Names = Sequence[str]
"""Names under which releases of the distribution have one and the same package."""
NODE_PACKAGES: Final[Sequence[Names]] = (
    ("containerd",),
    ("runc",),
    ("libseccomp2",),
    ("containernetworking-plugins",),
)
"""What runs the pods of a real node."""
BUILDER_PACKAGES: Final[Sequence[Names]] = (
    ("mmdebstrap",),
    ("buildah",),
    ("golang-github-containers-common", "containers-common"),
    ("golang-github-containers-image", "containers-image", "golang-github-containers-common"),
    ("libgpgme11", "libgpgme11t64", "libgpgme45"),
    ("libassuan0", "libassuan9"),
    ("libgpg-error0", "libgpg-error0t64"),
    ("libdevmapper1.02.1",),
    ("libseccomp2",),
    ("libselinux1",),
    ("libudev1", "libudev1t64"),
    ("libpcre2-8-0",),
)
"""What builds container images without a container engine."""


@dataclass(frozen=True)
class Unpacked:
    """The files of some packages, below a root of their own."""

    root: Path

    def program(self, name: str) -> Path:
        """Return a program by its name.

        Raises:
            LabError: no package brought it.
        """
        for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
            found = self.root / folder / name
            if found.exists():
                return found
        raise LabError(f"{self.root} holds no {name}; remove the folder, it is made anew")

    @property
    def libraries(self) -> list[Path]:
        """Return the folders of shared libraries."""
        folders = [*self.root.glob("usr/lib/*-linux-*"), *self.root.glob("lib/*-linux-*")]
        return sorted(one for one in folders if one.is_dir())


def unpack(name: str, packages: Sequence[Names]) -> Unpacked:
    """Return the files of some packages; fetched once for each list of them.

    Raises:
        LabError: this machine has no apt, or it does not serve one of them.
    """
    key = hashlib.sha256(repr(packages).encode()).hexdigest()[:12]
    root = cache_directory() / "debian" / f"{name}-{key}"
    with only_one("debian"):
        if not root.exists():
            say(f"fetching Debian packages for {name} (unpacked into the cache, not installed)")
            _fetch(packages, root)
    return Unpacked(root)


def _fetch(packages: Sequence[Names], root: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LabError("a real node's programs come from Debian packages; here is no apt-get")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="unpack-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        chosen = [_serve(names) for names in packages]
        _run(["apt-get", "download", *dict.fromkeys(chosen)], folder)
        for archive in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "-x", archive.name, "tree"], folder)
        (folder / "tree").replace(root)


def _serve(names: Names) -> str:
    """Return which of a package's names this distribution serves; look anew where none does."""
    for update in (False, True):
        if update:
            prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
            subprocess.run([*prefix, "apt-get", "update", "-qq"], check=False, capture_output=True)
        for name in names:
            told = subprocess.run(
                ["apt-cache", "show", "--no-all-versions", name], check=False, capture_output=True
            )
            if told.returncode == 0 and told.stdout:
                return name
    raise LabError(f"apt serves no package {' or '.join(names)}; run: sudo apt-get update")


def _run(argv: Sequence[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr[-800:]}")


def library_cache(packages: Unpacked, out: Path) -> Path:
    """Write a cache for the dynamic linker that knows the packages' libraries first.

    By the environment a program could find them, and one that starts itself anew without it
    could not: buildah does so.

    Raises:
        LabError: ldconfig failed.
    """
    listed = out.with_suffix(".conf")
    listed.write_text("".join(f"{one}\n" for one in packages.libraries))
    tool = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None:
        raise LabError("here is no ldconfig: programs of Debian packages need glibc's")
    _run([tool, "-X", "-C", str(out), "-f", str(listed)], out.parent)
    return out


def environment_of(packages: Unpacked) -> Mapping[str, str]:
    """Return variables by which programs of packages find each other and their libraries."""
    folders = [packages.root / one for one in ("usr/bin", "usr/sbin")]
    return {
        "PATH": os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, packages.libraries)),
    }
