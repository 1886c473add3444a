"""A guest with the real qemu-guest-agent: the distribution's package, over the lab's guest."""

import gzip
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from schedune_lab.cache import cache_directory, only_one
from schedune_testing.images import cpio

_INIT: Final = Path(__file__).with_name("guest_agent_init.sh")
_PACKAGE: Final = "qemu-guest-agent"
_LIBRARY: Final = re.compile(r"^\s*(?:(\S+) => )?(/\S+) \(0x", re.MULTILINE)


def build_agent_initrd(base: Path, out: Path) -> None:
    """Write the lab's initramfs with another program to begin with, and the agent.

    A kernel unpacks one archive over the other. Its libraries are QEMU's too, so they are here.
    """
    program = _ensure_agent()
    files = {"init": _INIT.read_bytes(), "bin/qemu-ga": program.read_bytes()}
    told = _run(["ldd", str(program)])
    for name, path in _LIBRARY.findall(told):
        files[f"bin/{name}" if name else "bin/ld.so"] = Path(path).read_bytes()
    out.write_bytes(base.read_bytes() + gzip.compress(cpio(files), compresslevel=1, mtime=0))


def _ensure_agent() -> Path:
    """Return the program; the package is downloaded once, unpacked, and not installed."""
    program = cache_directory() / _PACKAGE / "usr" / "sbin" / "qemu-ga"
    with only_one(_PACKAGE):
        if program.exists():
            return program
        with tempfile.TemporaryDirectory(dir=cache_directory()) as temporary:
            folder = Path(temporary)
            _run(["apt-get", "download", _PACKAGE], folder)
            (archive,) = folder.glob("*.deb")
            _run(["dpkg-deb", "-x", str(archive), str(folder / "tree")])
            (folder / "tree").replace(cache_directory() / _PACKAGE)
    return program


def _run(argv: list[str], folder: Path | None = None) -> str:
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout
