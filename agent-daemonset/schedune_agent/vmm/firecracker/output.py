"""What a Firecracker and its guest write: bounded, whether an agent reads or not.

Console, log and metrics go into named pipes, which hold 256 KiB each and lose what comes
after. An agent empties them at every look, the console into the one that is kept.
"""

import contextlib
from typing import Final

from schedune_agent.system.pipes import NamedPipe
from schedune_agent.vmm.console_log import ConsoleLog
from schedune_agent.vmm.firecracker.metrics import Metrics
from schedune_agent.vmm.firecracker.requests import console_pipe, log_pipe, metrics_pipe
from schedune_agent.vmm.port import VmPaths

_MOST_LOG_BYTES: Final = 65536


class Output:
    """The console, the log and the metrics of one Firecracker."""

    def __init__(self, paths: VmPaths) -> None:
        self._log = paths.log
        places = (console_pipe(paths), log_pipe(paths), metrics_pipe(paths))
        self._pipes = tuple(map(NamedPipe, places))
        self._console = ConsoleLog(paths.kept)
        self._metrics = Metrics(paths.kept)

    def make(self) -> None:
        """Make the pipes before Firecracker opens them: else it would make files.

        Raises:
            OSError: they cannot be made.
        """
        for pipe in self._pipes:
            pipe.make()

    def drain(self) -> bool:
        """Take what is in the pipes; say whether there was any of the console.

        Without pipes there is nothing to take.
        """
        console, log, metrics = self._pipes
        told = b""
        with contextlib.suppress(OSError):
            console.open()
            told = console.drain()
            self._console.append(told)
            log.open()
            self._keep_log(log.drain())
            metrics.open()
            faults = self._metrics.take(metrics.drain())
            self._keep_log(b"".join(b"metrics: %s\n" % one.encode() for one in faults))
        return bool(told)

    def _keep_log(self, told: bytes) -> None:
        """Write what it complains of to where its last words are read, as far as there is room."""
        if told:
            with self._log.open("ab") as file:
                file.write(told[: max(0, _MOST_LOG_BYTES - file.tell())])

    def holds(self, words: bytes) -> bool:
        """Say whether this incarnation's console, as far as it is kept, holds some words."""
        self.drain()
        return words in self._console.own()

    def close(self) -> None:
        """Let go of the pipes; they go on holding what is written."""
        for pipe in self._pipes:
            pipe.close()
