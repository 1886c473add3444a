"""A recording written down: one file from which every question can be asked again."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from schedune.api.base import API_VERSION
from schedune_cli.reading.kinds import SNAPSHOT
from schedune_cli.reading.objects import Item, Raw
from schedune_cli.recording.kubernetes import quota_annotations
from schedune_cli.recording.recording import Recording
from schedune_kube.lean import lean


def objects_of(recording: Recording) -> Iterator[Raw]:
    """Give the objects in an order that does not depend on the server's."""
    groups: tuple[Mapping[Any, Item], ...] = (
        recording.namespaces, recording.nodes, recording.truths, recording.leases,
        recording.workloads, recording.placements,
    )  # fmt: skip
    for group in groups:
        for _, item in sorted(group.items()):
            yield _trimmed(item.raw)


def snapshot_of(objects: list[Raw], recorded: datetime) -> Raw:
    """Return the list that a snapshot is."""
    return {
        "apiVersion": API_VERSION,
        "kind": SNAPSHOT,
        "recordedTime": f"{recorded:%Y-%m-%dT%H:%M:%S.%fZ}",
        "items": objects,
    }


def render_snapshot(snapshot: Raw, *, as_json: bool) -> str:
    """Write a snapshot; JSON is read back many times faster, YAML is read by people."""
    if as_json:
        return json.dumps(snapshot, indent=1, ensure_ascii=False) + "\n"
    return yaml.dump(snapshot, Dumper=yaml.CSafeDumper, sort_keys=False, width=100)


def _trimmed(raw: Raw) -> Raw:
    return lean_namespace(raw) if raw["kind"] == "Namespace" else lean(raw)


def lean_namespace(raw: Raw) -> Raw:
    """Return of a Namespace which one it is, and what limits its VMs."""
    given, limits = raw["metadata"], quota_annotations(raw)
    metadata = {name: given[name] for name in ("name", "uid") if name in given}
    if limits:
        metadata["annotations"] = limits
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": metadata}
