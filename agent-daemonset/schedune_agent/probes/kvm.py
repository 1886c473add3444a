"""Does KVM run guests? Asked of a tiny guest in a child that a deadline kills."""

import json
import os
import sys
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import probes as codes
from schedune.codes.row import Row
from schedune.launch.capabilities import KVM
from schedune_agent.probes.family import Answer, Part
from schedune_agent.system.child import run_child

DEVICE: Final = Path("/dev/kvm")
DEADLINE_S: Final = 3.0
_TIMED_OUT: Final = "timeout"
_CHILD: Final = Path(__file__).with_name("kvm_child.py")

_MEANING: Final[dict[str, tuple[CapabilityState, Row]]] = {
    "ok": (CapabilityState.SUPPORTED, codes.CAP_KVM_RUNS),
    "absent": (CapabilityState.UNSUPPORTED, codes.CAP_KVM_MISSING),
    "denied": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_DENIED),
    "emulated": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "no-run": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    _TIMED_OUT: (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "unsupported": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
}


class KvmFamily:
    """Asks again only when the device node changed: the answer holds for a boot."""

    name = "kvm"
    deadline_s = DEADLINE_S + 1
    answers_for = (KVM,)

    def __init__(self, device: Path = DEVICE) -> None:
        self._device = device
        self._asked: tuple[object, Answer] | None = None

    async def __call__(self) -> Part:
        """Return what the strong probe says of the device as it is now."""
        key = _key(self._device)
        if self._asked is None or self._asked[0] != key:
            self._asked = (key, await ask(self._device))
        answer = self._asked[1]
        if answer.value == _TIMED_OUT:
            self._asked = None
        return Part(answers=[answer])


def _key(device: Path) -> object:
    try:
        found = device.stat()
    except OSError as error:
        return error.errno
    may_open = os.access(device, os.R_OK | os.W_OK)
    return found.st_rdev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, may_open


async def ask(device: Path) -> Answer:
    """Run the probe once."""
    result = await run_child(
        [sys.executable, "-S", str(_CHILD), str(device)], deadline_s=DEADLINE_S
    )
    verdict, detail = _TIMED_OUT, f"the guest did not come back within {DEADLINE_S:.0f} s"
    if not result.timed_out:
        verdict, detail = _read(result.stdout)
    state, row = _MEANING.get(verdict, (CapabilityState.UNKNOWN, codes.CAP_KVM_ERROR))
    return Answer(
        KVM,
        state,
        row,
        f"{verdict}: {detail}",
        value=verdict,
        source=str(device),
        method="ran a long-mode guest in a child",
    )


def _read(output: bytes) -> tuple[str, str]:
    try:
        answer = json.loads(output)
        return str(answer["verdict"]), str(answer["detail"])
    except (ValueError, KeyError, TypeError):
        return "error", f"the probe printed {output[:80]!r}"
