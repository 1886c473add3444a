"""What follows when a guest has ended: another incarnation, or the end."""

from collections.abc import Mapping
from typing import Final

from schedune.api.vmworkload import RestartPolicy
from schedune.codes import execution as codes

_IN_ORDER: Final = frozenset({codes.STOPPED_BY_GUEST.reason})
_AT_ONCE: Final = frozenset({codes.GUEST_REBOOTED.reason, codes.HOST_SHUTDOWN.reason})
"""Ends that are nobody's failure: the next start waits for nothing."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_RESTARTS: Final[Mapping[RestartPolicy, tuple[bool, bool]]] = {
    RestartPolicy.ALWAYS: (True, True),
    RestartPolicy.ON_FAILURE: (False, True),
    RestartPolicy.NEVER: (False, False),
}
"""For each policy: restart after an orderly end, restart after a failure."""


def restarts(policy: RestartPolicy, exit_reason: str) -> bool:
    """Say whether the VM is started again; a reboot is no end, whatever the policy."""
    if exit_reason == codes.GUEST_REBOOTED.reason:
        return True
    after_order, after_failure = _RESTARTS[policy]
    return after_order if exit_reason in _IN_ORDER else after_failure


def is_failure(exit_reason: str) -> bool:
    """Say whether an end that is not followed by a restart is a failure."""
    return exit_reason not in _IN_ORDER


def pause_before(incarnation: int, exit_reason: str) -> float:
    """Return the seconds to wait: none after a reboot of guest or host, else ever more.

    They double from one second up to five minutes.
    """
    if exit_reason in _AT_ONCE:
        return 0.0
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(incarnation - 1, 16))
