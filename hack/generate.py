"""Write what is generated: the CRDs, the pages of docs/reference, the JSON Schemas."""

from pathlib import Path

import yaml

from schedune.api.crd import DEFINITIONS, render_definition
from schedune.api.policy_page import render_policy_page
from schedune.api.settings_page import render_settings_page
from schedune.codes.page import render_page
from schedune.evidence.class_page import render_class_page
from schedune.evidence.health_page import render_health_page
from schedune_agent.settings import AgentSettings
from schedune_cli.schemas import rendered_schemas
from schedune_operator.settings import OperatorSettings

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Generated from core/schedune/api by `make crds`; do not edit.\n"


def rendered() -> dict[Path, str]:
    """Return every generated file with its content."""
    files = {
        ROOT / "crds" / f"{one.plural}.yaml": HEADER
        + yaml.safe_dump(render_definition(one), sort_keys=False, width=100)
        for one in DEFINITIONS
    }
    # Without the ending that all definitions have: tools that read crds/*.yaml get those alone.
    files[ROOT / "crds" / "Kustomization"] = HEADER + yaml.safe_dump(_bundle(), sort_keys=False)
    reference, schemas = ROOT / "docs" / "reference", ROOT / "docs" / "schemas"
    return {
        **files,
        **{schemas / path: text for path, text in rendered_schemas().items()},
        reference / "node-classes.md": render_class_page(),
        reference / "alarms.md": render_health_page(),
        reference / "reasons.md": render_page(),
        reference / "scheduling-policy.md": render_policy_page(),
        reference / "settings.md": render_settings_page(OperatorSettings, AgentSettings),
    }


def _bundle() -> dict[str, object]:
    """Return what lets manifests/base bring the definitions in."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{one.plural}.yaml" for one in DEFINITIONS],
    }


if __name__ == "__main__":
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
