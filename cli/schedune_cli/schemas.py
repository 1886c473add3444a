"""JSON Schemas: of our objects, for editors and kubeconform, and of what our commands print."""

import json
from collections.abc import Mapping
from typing import Any, Final

from schedune.api.base import API_VERSION, GROUP, VERSION, ApiModel
from schedune.api.crd import DEFINITIONS, render_definition
from schedune.examination.difference_form import TruthDifference
from schedune.examination.form import NodeExamination
from schedune.explaining.form import ExplanationList, WhyNot
from schedune.explaining.glance import FleetGlance
from schedune_cli.judging.difference import DifferenceList
from schedune_cli.judging.drain import DrainReport
from schedune_cli.judging.orphans import OrphanReport
from schedune_cli.judging.simulation import Simulation
from schedune_cli.judging.uninstall import UninstallCheck

Schema = dict[str, Any]
_OBJECT_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_ANSWER_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_KUBERNETES: Final = "x-kubernetes-"
ANSWERS: Final[tuple[type[ApiModel], ...]] = (
    ExplanationList, WhyNot, FleetGlance, Simulation, DifferenceList, NodeExamination,
    TruthDifference, OrphanReport, DrainReport, UninstallCheck,
)  # fmt: skip


def rendered_schemas() -> dict[str, str]:
    """Return every schema by its path: the layout of the public catalogues of CRDs."""
    schemas = {
        _path(one.kind): _object_schema(one.kind, render_definition(one)) for one in DEFINITIONS
    }
    schemas |= {_path(model.__name__): _answer_schema(model) for model in ANSWERS}
    return {path: json.dumps(schema, indent=2) + "\n" for path, schema in schemas.items()}


def _path(kind: str) -> str:
    return f"{GROUP}/{kind.lower()}_{VERSION}.json"


def _answer_schema(model: type[ApiModel]) -> Schema:
    """Return the schema of what is printed: fields with a default are always there."""
    told = model.model_json_schema(mode="serialization")
    return {"$schema": _ANSWER_DIALECT, **_without_kubernetes(told)}


def _without_kubernetes(node: Any) -> Any:
    """Leave out what only Kubernetes reads; facts of nodes are parts of answers too."""
    if isinstance(node, dict):
        return {
            key: _without_kubernetes(one)
            for key, one in node.items()
            if not key.startswith(_KUBERNETES)
        }
    return [_without_kubernetes(one) for one in node] if isinstance(node, list) else node


def _object_schema(kind: str, definition: Mapping[str, Any]) -> Schema:
    """Return the CRD's schema as a strict one, in which a field that is not known is an error."""
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    strict = _strict(root)
    strict["properties"] |= {
        "apiVersion": {"enum": [API_VERSION]},
        "kind": {"enum": [kind]},
        "metadata": {"type": "object", "required": ["name"]},
    }
    strict["required"] = sorted({"apiVersion", "kind", "metadata", *strict.get("required", ())})
    return {"$schema": _OBJECT_DIALECT, **strict}


def _strict(node: Mapping[str, Any]) -> Schema:
    found = {key: one for key, one in node.items() if not key.startswith(_KUBERNETES)}
    if node.get("x-kubernetes-int-or-string"):
        found.pop("anyOf", None)
        found["oneOf"] = [{"type": "string"}, {"type": "integer"}]
    if "properties" in node:
        found["properties"] = {name: _strict(one) for name, one in node["properties"].items()}
        found["additionalProperties"] = False
    if "items" in node:
        found["items"] = _strict(node["items"])
    return found
