"""The recorded trees: what real kernels said, each with its provenance beside it."""

from pathlib import Path
from typing import Final

from schedune_agent.system.host_files import HostFiles

FOLDER: Final = Path(__file__).resolve().parents[2] / "recorded"
NAMES: Final = tuple(sorted(path.parent.name for path in FOLDER.glob("*/PROVENANCE.md")))


def recorded(name: str) -> HostFiles:
    """Return the files of one recorded machine."""
    return HostFiles(FOLDER / name / "tree")


def write(root: Path, **files: str | bytes) -> HostFiles:
    """Write files below a root; "__" in a name stands for "/"."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return HostFiles(root)
