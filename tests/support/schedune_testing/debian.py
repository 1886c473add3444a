"""Programs of the distribution that only tests need: unpacked into the cache, not installed."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.progress import say


@dataclass(frozen=True)
class Tree:
    """Packages with everything that they need and the machine has not."""

    root: Path

    def program(self, path: str) -> Path:
        """Return a program by its path in the package: here, or where it is installed."""
        found = next((one / path for one in (self.root, Path("/")) if (one / path).is_file()), None)
        assert found, f"{path} is neither in {self.root} nor installed"
        return found

    def environment(self) -> dict[str, str]:
        """Return the environment in which a program finds the tree's libraries."""
        folders = sorted({str(one.parent) for one in self.root.glob("usr/lib/**/*.so*")})
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def packages(name: str, wanted: Sequence[str]) -> Tree:
    """Return packages, fetched once under a name.

    Raises:
        AssertionError: they cannot be had; with apt's words.
    """
    folder = cache_directory() / "debian" / name
    with only_one(f"debian-{name}"):
        if not folder.exists():
            _fetch(folder, wanted)
    return Tree(folder)


def _fetch(folder: Path, wanted: Sequence[str]) -> None:
    say(f"fetching {', '.join(wanted)} (unpacked into the cache, not installed)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as temporary:
        archives, tree = Path(temporary) / "archives", Path(temporary) / "tree"
        (archives / "partial").mkdir(parents=True)
        tree.mkdir()
        _download(archives, wanted)
        for archive in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), str(tree)])
        tree.replace(folder)


def _download(archives: Path, wanted: Sequence[str]) -> None:
    """Download packages and what they need; ask for the lists where apt does not know them."""
    argv = [
        "apt-get", "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={archives}",
        "-o", "APT::Sandbox::User=root", "install", "--download-only", "-y", "-qq",
        "--no-install-recommends", *wanted,
    ]  # fmt: skip
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(argv, check=False, capture_output=True, env=environment).returncode:
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*prefix, "apt-get", "update", "-qq"], check=False, capture_output=True)
        _run(argv, environment)


def _run(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{argv}: {done.stderr[-800:]}"
