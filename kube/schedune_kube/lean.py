"""Objects as they are kept: without what nobody reads, and what is equal once for all of them.

Who wrote which field takes much of an object. Of what is left most is what other objects
hold, too: names of fields, reasons, sentences, and whole conditions and parts of scores.
What is kept is therefore only read: who changed a part would change it for others.
"""

import sys
from functools import lru_cache
from typing import Any, Final

AGENT: Final = "schedune-agent"
"""Field manager of the agents: the API server stamps when it wrote."""
_NOISE: Final = frozenset({
    "images", "volumesInUse", "volumesAttached", "allocatable", "daemonEndpoints", "nodeInfo",
    "runtimeHandlers",
})  # fmt: skip
"""Parts of a Node's status that are long and say nothing of VMs."""
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole spec once more, for kubectl alone."""


def lean(raw: dict[str, Any]) -> dict[str, Any]:
    """Leave out who wrote which field, but not when the agent last wrote: that is a proof.

    The object that is given stays as it is.
    """
    metadata = {key: one for key, one in raw["metadata"].items() if key != "managedFields"}
    stamps = stamps_of(raw)
    if stamps:
        metadata["managedFields"] = stamps
    if _LAST_APPLIED in (metadata.get("annotations") or ()):
        kept = {key: one for key, one in metadata["annotations"].items() if key != _LAST_APPLIED}
        metadata["annotations"] = kept
    found = {**raw, "metadata": metadata}
    # What a list holds does not say its kind; no kind of ours has parts of these names.
    if isinstance(raw.get("status"), dict) and raw["status"].keys() & _NOISE:
        found["status"] = {key: one for key, one in raw["status"].items() if key not in _NOISE}
    shared: dict[str, Any] = _sharing(found)
    return shared


def _sharing(value: Any) -> Any:
    """Return an equal value whose words and leaves are those of the others.

    It is JSON that was read: its types are no subtypes, and asking for them is the quickest.
    """
    kind = type(value)
    if kind is str:
        return sys.intern(value)
    if kind is dict:
        parts = {sys.intern(key): _sharing(one) for key, one in value.items()}
        kinds = tuple(map(type, parts.values()))
        if dict in kinds or list in kinds:
            return parts
        return _leaf(tuple(parts), tuple(parts.values()), kinds)
    if kind is list:
        return [_sharing(one) for one in value]
    return value


@lru_cache(maxsize=8192)
def _leaf(names: tuple[str, ...], values: tuple[Any, ...], _types: tuple[type, ...]) -> Any:
    """Return a dictionary of words and numbers, the same for all who hold it as it is now.

    1 and True are equal, and no leaf for each other: hence the types.
    """
    return dict(zip(names, values, strict=True))


def stamps_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the server's stamps of the agent's writes."""
    return [
        {"manager": AGENT, "time": one["time"]}
        for one in raw["metadata"].get("managedFields") or ()
        if one.get("manager") == AGENT and one.get("time")
    ]
