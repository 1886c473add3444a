"""What a workload still orders of its VM, though its spec cannot be served as written."""

from collections.abc import Mapping
from typing import Any, Final

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import RunState, VMWorkload

_LONGEST_TOKEN: Final = 128


def read_orders(raw: Mapping[str, Any], placement: VMPlacement) -> VMWorkload:
    """Return a workload that cannot be read, with what it says of the VM that it has.

    That is whether it shall run, and its restartToken; all else is as the VM was placed.
    """
    launch, told = placement.spec.launch, raw.get("spec")
    told = told if isinstance(told, dict) else {}
    token = told.get("restartToken")
    spec: dict[str, Any] = {
        "runtimeClass": launch.runtime_class,
        "architecture": launch.architecture,
        "resources": {"vcpus": launch.vcpus, "memory": launch.memory},
        "boot": {},
        "launchMode": placement.spec.mode,
        "restartPolicy": launch.restart_policy,
        "terminationGraceSeconds": launch.termination_grace_seconds,
    }
    if told.get("runState") == RunState.STOPPED.value:
        spec["runState"] = RunState.STOPPED
    if isinstance(token, str) and len(token) <= _LONGEST_TOKEN:
        spec["restartToken"] = token
    return VMWorkload.model_validate({"metadata": raw["metadata"], "spec": spec})
