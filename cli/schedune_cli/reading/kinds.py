"""Which objects are ours, which of others we read, and what may be a slip of the pen."""

import re
from pathlib import PurePath
from typing import Final

from schedune.api.base import API_VERSION, GROUP
from schedune_cli.problems import Place, Problem
from schedune_cli.reading.objects import Objects

OURS: Final = ("VMWorkload", "VMPlacement", "NodeTruth")
SNAPSHOT: Final = "Snapshot"
_BESIDE: Final = frozenset(
    {("v1", "Namespace"), ("v1", "Node"), ("coordination.k8s.io/v1", "Lease")}
)
"""Kinds of others that a fleet is made of."""
_OUR_LISTS: Final = frozenset({GROUP, "coordination.k8s.io", "v1"})
_TOOL_FILES: Final = re.compile(r"(?i)(?:kustomization\.ya?ml|chart\.ya?ml|values[\w.-]*\.ya?ml)$")
"""Files of Kustomize and Helm that hold no object."""
_OUR_WORDS: Final = {f"{kind.lower()}{end}" for kind in OURS for end in ("", "s")}


def is_list(version: str, kind: str) -> bool:
    """Say whether an object is a list whose elements we may read."""
    if kind == SNAPSHOT:
        return version == API_VERSION
    return kind.endswith("List") and version.partition("/")[0] in _OUR_LISTS


def is_read(version: str, kind: str, place: Place, found: Objects) -> bool:
    """Say whether an object is one that we read; what may be a slip is an error."""
    if (version == API_VERSION and kind in OURS) or (version, kind) in _BESIDE:
        return True
    group = version.partition("/")[0]
    if group == GROUP:
        _refuse_ours(version, kind, place, found)
    elif kind.lower() in _OUR_WORDS:
        remedy = f"write apiVersion: {API_VERSION}"
        found.refuse(place, f"{kind} is a kind of {GROUP}", remedy, version)
    elif version and kind:
        found.foreign += 1
    elif not _TOOL_FILES.search(PurePath(place.file).name):
        _refuse_headless(version, kind, place, found)
    return False


def _refuse_ours(version: str, kind: str, place: Place, found: Objects) -> None:
    if kind in (*OURS, SNAPSHOT):
        found.refuse(place, "there is no such version", f"write {API_VERSION}", version)
    else:
        remedy = f"write one of {', '.join(OURS)}"
        found.refuse(place, f"{GROUP} has no such kind", remedy, kind or "none")


def _refuse_headless(version: str, kind: str, place: Place, found: Objects) -> None:
    heads = (("apiVersion", version), ("kind", kind))
    missing = " and ".join(name for name, value in heads if not value)
    told = f"is no Kubernetes object: it has no {missing}"
    found.refuse(place, told, f"add {missing}, or leave this file out")


def note_snapshot(kind: str, recorded: str, place: Place, found: Objects) -> None:
    """Keep when a snapshot was taken."""
    if kind != SNAPSHOT:
        return
    if recorded:
        found.recorded.append((place, recorded))
    else:
        remedy = "add it, or make the snapshot anew with schedune snapshot"
        found.problems.append(Problem(place, "recordedTime", "", "is missing", remedy))
