"""The processes in which replayed nodes run."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from schedune_lab import processes

PER_PROCESS: Final = 2500
_WORKER: Final = Path(__file__).with_name("replayed_nodes.py")
_END_S: Final = 60.0


class Fleet:
    """The processes of the replayed nodes."""

    def __init__(self, workers: Sequence[psutil.Process], logs: Sequence[Path]) -> None:
        self._workers = workers
        self._logs = logs

    @property
    def processes(self) -> int:
        """Return how many there are."""
        return len(self._workers)

    def cpu_s(self) -> float:
        """Return the CPU seconds of all so far."""
        return sum(one.cpu_times().user + one.cpu_times().system for one in self._workers)

    def rss(self) -> int:
        """Return the resident bytes of the largest."""
        return max(one.memory_info().rss for one in self._workers)

    def count(self, event: str) -> int:
        """Return how often the agents logged an event."""
        return sum(path.read_text(errors="replace").count(event) for path in self._logs)

    def check_alive(self) -> None:
        """Give up with the words of a process that ended."""
        for one, log in zip(self._workers, self._logs, strict=True):
            if not one.is_running() or one.status() == psutil.STATUS_ZOMBIE:
                raise SystemExit(f"a process of replayed nodes ended: {log.read_text()[-2000:]}")


@contextmanager
def replaying(told: argparse.Namespace, agents: list[Any], folder: Path) -> Iterator[Fleet]:
    """Run the nodes' processes as long as the context lasts."""
    count = told.processes or -(-told.nodes // PER_PROCESS)
    workers, logs, started = [], [], list[subprocess.Popen[bytes]]()
    try:
        for number in range(count):
            file, log = folder / f"worker-{number}.json", folder / f"worker-{number}.log"
            mine = {
                "agents": agents[number::count],
                "share": not told.own_connections,
                "changesPerMinute": told.changes,
            }
            file.write_text(json.dumps(mine))
            started.append(processes.start([sys.executable, str(_WORKER), str(file)], log))
            workers.append(psutil.Process(started[-1].pid))
            logs.append(log)
        yield Fleet(workers, logs)
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(timeout=_END_S)
