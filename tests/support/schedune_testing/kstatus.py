"""How kstatus judges an object (reference/kubernetes.md 4.1): what Flux and others wait by."""

from typing import Any, Literal

Verdict = Literal["Terminating", "InProgress", "Failed", "Current", "NotFound"]


def judge(raw: dict[str, Any] | None) -> Verdict:
    """Return what kstatus says; None: the object is not there."""
    if raw is None:
        return "NotFound"
    metadata, status = raw["metadata"], raw.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation"):
        return "InProgress"
    held = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    if held.get("Reconciling") == "True":
        return "InProgress"
    if held.get("Stalled") == "True":
        return "Failed"
    return "Current" if held.get("Ready", "True") == "True" else "InProgress"
