"""What is read of a workload: what it means, what it was told, what it still orders."""

import logging
from typing import Any, Final

from pydantic import ValidationError

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import RunState, VMWorkload, VMWorkloadStatus
from schedune.launch.intent import Intent, Refused, parse_intent, unsupported_fields
from schedune_kube.client import Raw

_LOG: Final = logging.getLogger(__name__)
_LONGEST_TOKEN: Final = 128


def read_status(raw: Raw) -> VMWorkloadStatus:
    """Read what we wrote; what cannot be read is lost history, nothing else."""
    try:
        return VMWorkloadStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        _LOG.error(
            "status.unreadable", extra={"workload": raw["metadata"]["name"], "error": str(error)}
        )
        return VMWorkloadStatus()


def read_intent(workload: VMWorkload | Refused, held: VMWorkloadStatus) -> Intent | Refused:
    """Return what is asked for, or everything that stands against serving it as written."""
    if isinstance(workload, tuple):
        return workload
    return unsupported_fields(workload.spec) or parse_intent(workload, held)


def read_orders(raw: Raw, placement: VMPlacement) -> VMWorkload:
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
