"""The host goes down: said by a file, so that an agent's own end is never taken for it.

Whoever shuts the host down puts the boot id into the file (manifests/schedune-vms.service,
``schedune-agent host-shutdown``). An agent that sees it ends its guests in order, starts
none, and answers with a file of its own. Neither means anything after the next boot.
"""

from pathlib import Path
from typing import Final

from schedune_agent.system.whole_files import write_whole

ORDER: Final = "host-shutdown"
DONE: Final = "host-shutdown.done"


class HostShutdown:
    """The order and the answer to it, in the run directory."""

    def __init__(self, run_directory: Path, boot_id: str) -> None:
        self._order, self._done = run_directory / ORDER, run_directory / DONE
        self._boot_id = boot_id

    @property
    def is_ordered(self) -> bool:
        """Say whether this boot comes to its end."""
        return self._says(self._order)

    @property
    def is_done(self) -> bool:
        """Say whether an agent has told that no guest of its runs any more."""
        return self._says(self._done)

    def order(self) -> None:
        """Say that the host goes down.

        Raises:
            OSError: it cannot be said.
        """
        self._order.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._done.unlink(missing_ok=True)
        write_whole(self._order, self._boot_id.encode())

    def cancel(self) -> None:
        """Take it back: guests are started again by their restart policy.

        Raises:
            OSError: it cannot be taken back.
        """
        for path in (self._order, self._done):
            path.unlink(missing_ok=True)

    def tell_done(self) -> None:
        """Answer that no guest runs.

        Raises:
            OSError: it cannot be said.
        """
        if not self.is_done:
            write_whole(self._done, self._boot_id.encode())

    def take_back_done(self) -> None:
        """Say no longer that no guest runs."""
        self._done.unlink(missing_ok=True)

    def _says(self, path: Path) -> bool:
        try:
            return path.read_bytes().strip() == self._boot_id.encode()
        except OSError:
            return False
