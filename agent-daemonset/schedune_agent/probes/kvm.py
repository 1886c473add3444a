"""Does KVM run guests? Asked of a tiny guest in a child that a deadline kills."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune.api.nodetruth import CapabilityState
from schedune.codes import probes as codes
from schedune.codes.row import Row
from schedune_agent.system.child import run_child

DEVICE: Final = Path("/dev/kvm")
DEADLINE_S: Final = 3.0
_CHILD: Final = Path(__file__).with_name("kvm_child.py")

_MEANING: Final[dict[str, tuple[CapabilityState, Row]]] = {
    "ok": (CapabilityState.SUPPORTED, codes.CAP_KVM_RUNS),
    "absent": (CapabilityState.UNSUPPORTED, codes.CAP_KVM_MISSING),
    "denied": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_DENIED),
    "emulated": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "no-run": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "timeout": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
    "unsupported": (CapabilityState.UNAVAILABLE, codes.CAP_KVM_RUNS_NO_GUEST),
}


@dataclass(frozen=True, slots=True)
class KvmAnswer:
    """What the strong probe said."""

    state: CapabilityState
    row: Row
    detail: str

    @property
    def works(self) -> bool:
        """Say whether a guest ran."""
        return self.state is CapabilityState.SUPPORTED


UNKNOWN: Final = KvmAnswer(CapabilityState.UNKNOWN, codes.CAP_KVM_ERROR, "the probe did not run")


class KvmProbe:
    """Asks again only when the device node changed: the answer holds for a boot."""

    def __init__(self, device: Path = DEVICE) -> None:
        self._device = device
        self._asked: tuple[object, KvmAnswer] | None = None

    async def __call__(self) -> KvmAnswer:
        """Return what the probe says of the device as it is now."""
        key = _key(self._device)
        if self._asked is None or self._asked[0] != key:
            self._asked = (key, await ask(self._device))
        return self._asked[1]


def _key(device: Path) -> object:
    try:
        found = device.stat()
    except OSError as error:
        return error.errno
    may_open = os.access(device, os.R_OK | os.W_OK)
    return found.st_rdev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, may_open


async def ask(device: Path) -> KvmAnswer:
    """Run the probe once."""
    result = await run_child(
        [sys.executable, "-S", str(_CHILD), str(device)], deadline_s=DEADLINE_S
    )
    verdict, detail = "timeout", f"the guest did not come back within {DEADLINE_S:.0f} s"
    if not result.timed_out:
        verdict, detail = _read(result.stdout)
    state, row = _MEANING.get(verdict, (CapabilityState.UNKNOWN, codes.CAP_KVM_ERROR))
    return KvmAnswer(state, row, f"{verdict}: {detail}"[:200])


def _read(output: bytes) -> tuple[str, str]:
    try:
        answer = json.loads(output)
        return str(answer["verdict"]), str(answer["detail"])
    except (ValueError, KeyError, TypeError):
        return "error", f"the probe printed {output[:80]!r}"
