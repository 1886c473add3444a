"""What is read of a workload: what it means, and what it was told."""

import logging
from typing import Final

from pydantic import ValidationError

from schedune.api.vmworkload import VMWorkload, VMWorkloadStatus
from schedune.launch.intent import Intent, Refused, parse_intent, unsupported_fields
from schedune_kube.client import Raw

_LOG: Final = logging.getLogger(__name__)


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
