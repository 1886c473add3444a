"""VMM binaries that no distribution has: tests take them from the environment."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

FIRECRACKER: Final = "SCHEDUNE_TEST_FIRECRACKER"
CLOUD_HYPERVISOR: Final = "SCHEDUNE_TEST_CLOUD_HYPERVISOR"
_NAMES: Final = {FIRECRACKER: "firecracker", CLOUD_HYPERVISOR: "cloud-hypervisor"}
"""By the variable: under which name an agent finds it."""
_FOLDER: Final = Path("usr/local/bin")
_LIBRARY: Final = re.compile(r"(/\S+) \(0x")


def given_binary(variable: str) -> Path:
    """Return the binary that somebody gave; skips the test where nobody did."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"not given: {_NAMES[variable]}; set {variable} to the path of a release")
    return Path(path).resolve()


def stage_given(root: Path) -> str:
    """Put what is given, with its libraries, into a tree that is laid over another machine's.

    Returns the shell lines that give it to the tests there.
    """
    root.mkdir(parents=True)
    lines = ""
    for variable, name in _NAMES.items():
        path = os.environ.get(variable)
        if not path:
            continue
        target = root / _FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(path).resolve(), target)
        target.chmod(0o755)
        told = subprocess.run(
            [shutil.which("ldd") or "ldd", path], capture_output=True, text=True, check=False
        )
        for match in _LIBRARY.finditer(told.stdout):
            library = root / match[1].lstrip("/")
            library.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(match[1]).resolve(), library)
        lines += f"export {variable}=/{_FOLDER}/{name}\n"
    return lines
