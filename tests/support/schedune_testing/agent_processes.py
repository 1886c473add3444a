"""The agent's program itself, as a DaemonSet's pod starts it; nobody answers as its API server."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from schedune_lab.certificates import Authority

WORKS = "agent.no-identity"
"""What an agent that has the node to itself tells when its token is not there yet."""
DEAF = "truth.not-looked-at"
"""What one tells that has looked at its node and knows its cluster, while nobody answers."""
StartAgent = Callable[..., "tuple[subprocess.Popen[bytes], Path]"]


@contextmanager
def agent_processes(folder: Path) -> Iterator[StartAgent]:
    """Start agents by name, with their folders in this one; none is left.

    Each is given with its log. Its token is ``folder / "token"``, if anybody puts one there.
    """
    started = []
    ca_file = Authority(folder / "pki").certificate

    def start(
        name: str, state: str = "state", run: str = "run", **settings: Any
    ) -> "tuple[subprocess.Popen[bytes], Path]":
        log, file = folder / f"{name}.log", folder / f"{name}.yaml"
        kubernetes = {"server": "https://127.0.0.1:1", "caFile": str(ca_file)}
        told = {
            "kubernetes": {**kubernetes, "tokenFile": str(folder / "token")},
            "stateDirectory": str(folder / state),
            "runDirectory": str(folder / run),
            "observability": None,
            **settings,
        }
        file.write_text(yaml.safe_dump(told))
        argv = [sys.executable, "-m", "schedune_agent", "run", "--settings", str(file)]
        with log.open("wb") as out:
            started.append(subprocess.Popen(argv, stdout=out, stderr=out))
        return started[-1], log

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


def put_token(folder: Path) -> None:
    """Put a token there as a kubelet does, for a node."""
    claims = {"kubernetes.io": {"node": {"name": "node", "uid": "node-uid"}}}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    (folder / "token").write_text(f"e30.{payload}.none")


def until_told(log: Path, event: str) -> str:
    """Return the log once it tells of something."""
    deadline = time.monotonic() + 60
    while event not in (text := log.read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return text
