"""manifests/install.yaml: what kustomize makes of the manifests is what they say."""

from pathlib import Path
from typing import Any

import yaml

_MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"


def named(file: Path) -> dict[str, list[str]]:
    """Return which objects each role may act on by name."""
    found: dict[str, list[str]] = {}
    one: dict[str, Any]
    for one in yaml.safe_load_all(file.read_text()):
        if one and one["kind"] in {"Role", "ClusterRole"}:
            rules = one.get("rules") or []
            key = f"{one['kind']} {one['metadata']['name']}"
            found[key] = [name for rule in rules for name in rule.get("resourceNames", [])]
    return found


def test_no_role_names_other_objects_after_rendering() -> None:
    """Kustomize renames in them too: a ConfigMap with the Lease's name took the Lease away."""
    rendered = named(_MANIFESTS / "install.yaml")
    written = named(_MANIFESTS / "base/rbac.yaml")
    assert written["Role schedune-operator-leader"] == ["schedune-operator"]
    assert {role: rendered[role] for role in written} == written
