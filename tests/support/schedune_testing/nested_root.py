"""A root file system out of this machine's own files: Python, its libraries, QEMU.

No packages are fetched: what runs the tests here runs them inside.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_lab.progress import LabError, say

SITE: Final = Path("opt/site")
"""Where the packages are inside."""
OURS: Final = tuple(
    f"/payload/repo/{name}"
    for name in ("core", "kube", "operator", "agent-daemonset", "cli", "lab")
)
"""Where our own code will be."""
_NEEDED: Final = (
    "pydantic", "numpy", "pyyaml", "psutil", "aiohttp", "pycdlib", "pytest", "pytest-asyncio",
    "pytest-timeout", "cryptography", "click", "rich", "zstandard", "lz4",
    "prometheus-client",
)  # fmt: skip
_LEFT_OUT: Final = shutil.ignore_patterns(
    "test", "tests", "site-packages", "idlelib", "tkinter", "turtledemo", "ensurepip", "config-*",
    "lib2to3", "__pycache__",
)  # fmt: skip
_BLOCK: Final = 4096
_MODULES: Final = ("lib/*/qemu/accel-*.so", "lib64/qemu*/accel-*.so")
"""Where distributions keep what QEMU loads to emulate a processor."""
_LIBRARY: Final = re.compile(r"(/\S+) \(0x")


def root_image(busybox: Path, qemu: Path) -> Path:
    """Return an ext4 image of the root, made once for these versions of everything."""
    key = hashlib.sha256()
    for path in (Path(sys.executable).resolve(), qemu, busybox):
        status = path.stat()
        key.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    # By what it says, not by where it is: checkouts beside each other share the image, and
    # none removes it from under another's machine.
    key.update(Path(__file__).read_bytes())
    for name in sorted(_packages()):
        key.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    image = cache_directory() / "nested" / f"root-{key.hexdigest()[:16]}.ext4"
    with only_one("nested"):
        if not image.exists():
            say("building the root of the nested machine (once)")
            _build(image, busybox, qemu)
    return image


def _build(image: Path, busybox: Path, qemu: Path) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    for old in image.parent.glob("root-*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    stage = image.with_suffix(".stage")
    for name in ("proc", "sys", "dev", "run", "tmp", "etc", "payload", "usr/share", "bin", "var"):
        (stage / name).mkdir(parents=True)
    _copy(stage, busybox, as_name="bin/busybox")
    (stage / "bin/sh").symlink_to("busybox")
    (stage / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:\n")
    (stage / "etc/machine-id").write_text("0" * 31 + "1\n")
    python = Path(sys.executable).resolve()
    library = Path(os.__file__).parent
    _copy(stage, python)
    shutil.copytree(library, stage / library.relative_to("/"), ignore=_LEFT_OUT, symlinks=True)
    _copy_packages(stage / SITE)
    # By a file of its own, so that children find them too that pass over the environment.
    own = stage / library.relative_to("/") / "site-packages"
    own.mkdir()
    (own / "nested.pth").write_text("\n".join((f"/{SITE}", *OURS)) + "\n")
    _copy(stage, qemu)
    for firmware in (Path("/usr/share/qemu"), Path("/usr/share/seabios")):
        if firmware.is_dir():
            shutil.copytree(firmware, stage / firmware.relative_to("/"), symlinks=True)
    accelerators = [path for place in _MODULES for path in Path("/usr").glob(place)]
    for module in accelerators:
        _copy(stage, module)
    programs = [
        python,
        qemu,
        *accelerators,
        *_extensions(stage / library.relative_to("/")),
        *_extensions(stage),
    ]
    for shared in _libraries(programs):
        _copy(stage, shared)
    make_image(stage, image)
    shutil.rmtree(stage)


def make_image(folder: Path, image: Path, *, spare_mib: int = 64) -> None:
    """Write a folder as an ext4 image."""
    files = [path.lstat() for path in folder.rglob("*")]
    used = sum(-(-one.st_size // _BLOCK) * _BLOCK for one in files)
    size = int(used / 2**20 * 1.15) + len(files) // 2048 + spare_mib
    fresh = image.with_suffix(".new")
    subprocess.run(
        [_program("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", str(folder),
         str(fresh), f"{size}M"],
        check=True,
    )  # fmt: skip
    fresh.replace(image)


def _packages() -> set[str]:
    """Return what is needed, and what that needs."""
    found: set[str] = set()
    wanted = list(_NEEDED)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another Python
        found.add(name)
        wanted += [
            re.split(r"[^A-Za-z0-9_.-]", one, maxsplit=1)[0]
            for one in requirements
            if "extra ==" not in one
        ]
    return found


def _copy_packages(site: Path) -> None:
    for name in _packages():
        for file in importlib.metadata.files(name) or []:
            if ".." in file.parts or "tests" in file.parts or file.suffix == ".pyc":
                continue
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def _extensions(folder: Path) -> Iterator[Path]:
    return folder.rglob("*.so*")


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return every shared library of some programs, the loader too."""
    found: set[Path] = set()
    for program in programs:
        told = subprocess.run(
            [_program("ldd"), str(program)], capture_output=True, text=True, check=False
        )
        found.update(Path(match[1]) for match in _LIBRARY.finditer(told.stdout))
    return found


def _program(name: str) -> str:
    """Return a program of the machine's own, also of a folder that is not on a user's path."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise LabError(f"{name} is missing; install e2fsprogs and libc-bin")
    return found


def _copy(stage: Path, path: Path, as_name: str = "") -> None:
    """Copy a file to its own place, whatever links lead to it."""
    target = stage / (as_name or str(path).lstrip("/"))
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        shutil.copymode(path, target)
