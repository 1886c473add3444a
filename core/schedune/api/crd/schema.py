"""Turn a model's JSON schema into a structural schema as Kubernetes wants it."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT: Final = (
    "type", "format", "description", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "maxProperties", "default", "required",
    "x-kubernetes-int-or-string", "x-kubernetes-validations",
)  # fmt: skip
_MAP_KEYS: Final = ("name", "type")
"""A list of objects that have one of these, required, is a map by it."""
LIST_TYPE: Final = "x-kubernetes-list-type"
"""A field that says "atomic" by it is none: its keys are not its name alone."""
MAP_KEYS: Final = "x-kubernetes-list-map-keys"
_MAX_TIME: Final = 64


def structural(model: type[BaseModel], *, with_defaults: bool) -> Schema:
    """Return the structural schema of a model.

    Defaults are for specs: a stored default is visible to GitOps tools. In a status
    they would be dropped at creation and only confuse.
    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), with_defaults=with_defaults)


def _convert(
    node: Mapping[str, Any], definitions: Mapping[str, Any], *, with_defaults: bool
) -> Schema:
    node = _resolve(node, definitions)
    kept: Schema = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        kept["enum"] = [node["const"]]
    if not with_defaults or kept.get("default", 0) is None:
        kept.pop("default", None)
    if kept.get("x-kubernetes-int-or-string"):
        return _int_or_string(kept)
    match kept.get("type"):
        case "object":
            kept |= _object(node, definitions, with_defaults=with_defaults)
        case "array":
            kept |= _array(node, definitions, with_defaults=with_defaults)
        case "integer":
            kept["format"] = "int32" if node.get("maximum", 2**63) < 2**31 else "int64"
        case "string" if node.get("format") == "date-time":
            kept["maxLength"] = _MAX_TIME
    return kept


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references and unwrap what may be absent; the outer words win."""
    resolved = dict(node)
    while "$ref" in resolved or "anyOf" in resolved:
        if "$ref" in resolved:
            inner = definitions[resolved.pop("$ref").rpartition("/")[2]]
        else:
            inner = next(one for one in resolved.pop("anyOf") if one.get("type") != "null")
        resolved = {**inner, **resolved}
    return resolved


def _int_or_string(kept: Schema) -> Schema:
    kept.pop("type", None)
    return {**kept, "anyOf": [{"type": "integer"}, {"type": "string"}]}


def _object(
    node: Mapping[str, Any], definitions: Mapping[str, Any], *, with_defaults: bool
) -> Schema:
    if "properties" not in node:
        values = node.get("additionalProperties")
        value = _convert(values, definitions, with_defaults=False) if values else {"type": "string"}
        return {"additionalProperties": value}
    properties = {
        name: _convert(child, definitions, with_defaults=with_defaults)
        for name, child in node["properties"].items()
    }
    if with_defaults:
        for name, child in properties.items():
            if name not in node.get("required", ()) and _all_defaulted(child):
                child["default"] = {}
    return {"properties": properties}


def _all_defaulted(child: Schema) -> bool:
    """Say whether an absent object must be made so that the defaults inside apply."""
    inside = child.get("properties", {})
    return not child.get("required") and any("default" in one for one in inside.values())


def _array(
    node: Mapping[str, Any], definitions: Mapping[str, Any], *, with_defaults: bool
) -> Schema:
    items = _convert(
        node.get("items", {"type": "string"}), definitions, with_defaults=with_defaults
    )
    key = next((key for key in _MAP_KEYS if key in items.get("required", ())), None)
    if key is None or node.get(LIST_TYPE) == "atomic":
        return {"items": items, LIST_TYPE: "atomic"}
    return {"items": items, LIST_TYPE: "map", MAP_KEYS: [key]}
