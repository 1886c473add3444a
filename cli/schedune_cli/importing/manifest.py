"""Write what was imported as YAML, each object under what it cost."""

from typing import Final

import yaml

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmworkload import VMWorkload
from schedune_cli.importing.notes import Imported

_WIDTH: Final = 100


def key_of(manifest: VMWorkload | NodeTruth) -> tuple[str, str, str]:
    """Return what an object is known by in a cluster."""
    return manifest.kind, manifest.metadata.namespace, manifest.metadata.name


def title_of(manifest: VMWorkload | NodeTruth) -> str:
    """Name an object as kubectl does."""
    kind, namespace, name = key_of(manifest)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def render_manifest(imported: Imported, source: str) -> str:
    """Return one YAML document, with its losses as comments above it."""
    lines = [f"# {title_of(imported.manifest)}, imported from {source}"]
    lines += [f"# - {loss}" for loss in imported.losses]
    return "---\n" + "\n".join(lines) + "\n" + _dump(_object_of(imported.manifest))


def _object_of(manifest: VMWorkload | NodeTruth) -> dict[str, object]:
    """Return what was said of an object, and no default."""
    found = manifest.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    head = {"apiVersion": manifest.api_version, "kind": manifest.kind}
    return {**head, **{name: _without_empty_parts(value) for name, value in found.items()}}


def _without_empty_parts(value: object) -> object:
    if isinstance(value, dict):
        kept = {name: _without_empty_parts(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in ([], {})}
    if isinstance(value, list):
        return [_without_empty_parts(one) for one in value]
    return value


def _dump(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=_WIDTH, allow_unicode=False)
