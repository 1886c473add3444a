"""Write manifests/install.yaml: the overlay ``launch`` as one file, for ``kubectl apply``.

Rendered by the kubectl of the lab's control plane, so that everybody renders the same;
kustomize is part of every kubectl. Another kubectl may be given as the only argument.
"""

import subprocess
import sys
from pathlib import Path

from schedune_lab.toolchain import find_binaries

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "manifests" / "install.yaml"
OVERLAY = ROOT / "manifests" / "overlays" / "launch"
HEADER = """\
# Generated from manifests/overlays/launch by `make manifests`; do not edit. How to: docs/install.md
"""


def render(kubectl: Path, folder: Path = OVERLAY) -> str:
    """Return everything that an overlay applies.

    Raises:
        RuntimeError: it cannot be rendered; with kubectl's words.
    """
    done = subprocess.run(
        [str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{folder}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else find_binaries() / "kubectl"
    TARGET.write_text(HEADER + render(given))
