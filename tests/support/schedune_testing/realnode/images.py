"""The images that a user builds from our Dockerfile, made without a container engine.

No registry is asked for the Dockerfile's base: where it may not be had, a Debian with the
same Python does (``--build-arg BASE``). What was built is kept until one of its inputs
changes.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.debian import BUILDER_PACKAGES, Unpacked, library_cache, unpack
from schedune_lab.progress import LabError, say

_ROOT: Final = Path(__file__).resolve().parents[4]
TARGETS: Final = ("operator", "agent")
"""Stages of the Dockerfile, each the image ``schedune-STAGE``."""
_BASE: Final = "localhost/schedune-base:1"
_SUITE: Final = "trixie"
_PACKAGES: Final = ("python3", "python3-venv", "ca-certificates")
_MIRROR: Final = "http://deb.debian.org/debian"
_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TRUSTED: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""What this machine trusts: also an authority of its own network, by which packages come."""
_VARIABLES: Final = {
    "SSL_CERT_FILE": str(_TRUSTED),
    "PIP_CERT": str(_TRUSTED),
}
_KEPT: Final = 2
"""Archives of how many states of the sources are kept: CI's and the one that is worked on."""


def reference(target: str, tag: str) -> str:
    """Return the full name under which containerd knows an image."""
    return f"docker.io/library/schedune-{target}:{tag}"


def image_archives(tag: str) -> list[Path]:
    """Return an archive of each image, as ``ctr images import`` reads them.

    Raises:
        LabError: one cannot be built; with the builder's last words.
    """
    digest = _digest_of_inputs(tag)
    folder = cache_directory() / "images"
    archives = [folder / f"{digest}-{target}.tar" for target in TARGETS]
    with only_one("images"):
        if not all(one.exists() for one in archives):
            say("building the images from the Dockerfile (minutes once, then less)")
            builder = _Builder(folder)
            for target, archive in zip(TARGETS, archives, strict=True):
                builder.build(target, archive, tag)
            builder.forget_old()
            _remove_old(folder, digest)
    for one in archives:
        os.utime(one)
    return archives


def _digest_of_inputs(tag: str) -> str:
    """Digest all that the images are made from."""
    found = hashlib.sha256(repr((tag, _SUITE, _PACKAGES, _VARIABLES)).encode())
    for path in sorted({*_context(), _ROOT / "Dockerfile", _ROOT / ".dockerignore"}):
        found.update(str(path.relative_to(_ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _context() -> Iterator[Path]:
    """Yield the files that the build sees: those that ``.dockerignore`` takes back in."""
    lines = (_ROOT / ".dockerignore").read_text().splitlines()
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        within = _ROOT / name
        for path in [within] if within.is_file() else within.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


class _Builder:
    """Debian's buildah, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._packages = unpack("builder", BUILDER_PACKAGES)
        self._libraries = library_cache(self._packages, folder / "ld.so.cache")
        if not self._has(_BASE):
            self._make_base()

    def build(self, target: str, archive: Path, tag: str) -> None:
        """Build one stage of the Dockerfile into an archive."""
        name = f"localhost/schedune-{target}:{tag}"
        options = ["--layers", "--pull-never", "--network", "host", "--build-arg", f"BASE={_BASE}"]
        self._run("bud", *options, "--target", target, "-t", name, str(_ROOT))
        fresh = archive.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        self._run("push", name, f"docker-archive:{fresh}:{reference(target, tag)}")
        fresh.replace(archive)

    def forget_old(self) -> None:
        """Forget what no image needs any more."""
        self._run("rmi", "--prune", policy=False)

    def _has(self, image: str) -> bool:
        told = self._run("images", "--noheading", "--format", "{{.Name}}:{{.Tag}}", policy=False)
        return image in told.split()

    def _make_base(self) -> None:
        say(f"making a base image: Debian {_SUITE} with Python")
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            archive = Path(name) / "base.tar"
            _debootstrap(self._packages, archive)
            container = self._run("from", "--pull-never", "scratch").strip()
            self._run("add", "-q", container, str(archive), "/", policy=False)
            if _TRUSTED.exists():
                held = Path(name) / _TRUSTED.name
                shutil.copyfile(_TRUSTED, held)
                self._run("add", "-q", container, str(held), str(_TRUSTED), policy=False)
            settings = [f"--env={name}={value}" for name, value in _VARIABLES.items()]
            self._run("config", *settings, container, policy=False)
            self._run("commit", "-q", "--rm", container, _BASE)

    def _run(self, verb: str, *arguments: str, policy: bool = True) -> str:
        """Run buildah in a mount namespace of its own, in which it finds its libraries."""
        root, folder = self._packages.root, self._folder
        bind = 'mount --bind "$1" /etc/ld.so.cache && shift && exec "$@"'
        signature = [f"--signature-policy={root}/etc/containers/policy.json"] if policy else []
        stores = [f"--root={folder / 'store'}", f"--runroot={folder / 'store-run'}"]
        argv = [
            "unshare", "-m", "--propagation", "private", "sh", "-c", bind, "sh",
            str(self._libraries), str(self._packages.program("buildah")), *stores, verb,
            *signature, *arguments,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "STORAGE_DRIVER": "vfs",
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": f"{root}/usr/share/containers/containers.conf",
            "CONTAINERS_REGISTRIES_CONF": f"{root}/etc/containers/registries.conf",
        }
        return _output(argv, environment)


def _debootstrap(packages: Unpacked, archive: Path) -> None:
    argv = [
        "perl", str(packages.program("mmdebstrap")), "--variant=minbase", "--mode=root", "--quiet",
        "--dpkgopt=force-unsafe-io", f"--include={','.join(_PACKAGES)}", _SUITE, str(archive),
        f"deb [signed-by={_KEYS}] {_MIRROR} {_SUITE} main",
    ]  # fmt: skip
    _output(argv, os.environ)


def _output(argv: Sequence[str], environment: "os._Environ[str] | dict[str, str]") -> str:
    done = subprocess.run(
        argv, env=dict(environment), check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{' '.join(argv[:20])}: {done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return done.stdout


def _remove_old(folder: Path, digest: str) -> None:
    """Keep the archives of the last states of the sources; this one is there already."""
    archives = sorted(folder.glob("*.tar"), key=lambda one: one.stat().st_mtime, reverse=True)
    kept = list(dict.fromkeys([digest, *(one.name.partition("-")[0] for one in archives)]))[:_KEPT]
    for one in archives:
        if one.name.partition("-")[0] not in kept:
            one.unlink()
