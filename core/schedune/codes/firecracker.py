"""Rows about what a VM under Firecracker does not do: limits told, rather than found out."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(
    code: str, reason: str, sentence: str, cause: str, remedy: str = "", actor: Actor = Actor.NOBODY
) -> Row:
    return Row(
        code, reason, Stage.EXECUTION, actor, Precedence.INFORMATION, sentence, remedy, cause
    )


GUEST_RESET: Final = _row(
    "GUEST_RESET", "GuestReset", "the guest rebooted or panicked; Firecracker tells no difference",
    "A reboot and a panic both end the process with exit code 0, and its console told of no panic. Under restartPolicy Always and OnFailure the VM starts again.",
    "read status.lastExit.consoleTail", Actor.USER,
)  # fmt: skip
HALT_UNSEEN: Final = _row(
    "LIMIT_HALT_UNSEEN", "HaltUnseen", "under Firecracker a guest that powers off or halts is not seen to end",
    "Firecracker has no power button and no poweroff: a guest that halts stays Running there, and its kernel's last words are on its console.",
    "let the guest end by a reboot (kernel command line `reboot=k`); with readiness level Guest a halted guest becomes Degraded", Actor.USER,
)  # fmt: skip
NO_ORDERLY_STOP: Final = _row(
    "LIMIT_NO_ORDERLY_STOP", "NoOrderlyStop", "Firecracker on {observed} cannot ask a guest to end: it is ended at once",
    "Firecracker asks a guest to end by pressing Ctrl-Alt-Del on a keyboard that it has on x86_64 only.",
    "end the guest from inside before the VM is stopped", Actor.USER,
)  # fmt: skip
NO_SECCOMP: Final = _row(
    "LIMIT_NO_SECCOMP", "NoSeccomp", "this Firecracker runs without its seccomp filter (threads: {observed})",
    "The build has an empty filter, as one for the gnu target has: a guest that breaks out of it may make every system call.",
    "install an official release of Firecracker on the node", Actor.ADMINISTRATOR,
)  # fmt: skip
