"""Objects without what nobody reads: who wrote which field takes much of one, most in memory."""

from typing import Any, Final

AGENT: Final = "schedune-agent"
"""Field manager of the agents: the API server stamps when it wrote."""
_NOISE: Final = frozenset({"images", "volumesInUse", "volumesAttached"})
"""Parts of a Node's status that are long and say nothing of VMs."""


def lean(raw: dict[str, Any]) -> dict[str, Any]:
    """Leave out who wrote which field, but not when the agent last wrote: that is a proof."""
    metadata = {key: one for key, one in raw["metadata"].items() if key != "managedFields"}
    stamps = stamps_of(raw)
    if stamps:
        metadata["managedFields"] = stamps
    found = {**raw, "metadata": metadata}
    # What a list holds does not say its kind; no kind of ours has parts of these names.
    if isinstance(raw.get("status"), dict) and raw["status"].keys() & _NOISE:
        found["status"] = {key: one for key, one in raw["status"].items() if key not in _NOISE}
    return found


def stamps_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the server's stamps of the agent's writes."""
    return [
        {"manager": AGENT, "time": one["time"]}
        for one in raw["metadata"].get("managedFields") or ()
        if one.get("manager") == AGENT and one.get("time")
    ]
