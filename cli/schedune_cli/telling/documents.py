"""Explanations as JSON and YAML: the same document, whole, with empty lists kept for readers."""

import json

import yaml

from schedune.api.base import ApiModel


def render_json(told: ApiModel) -> str:
    """Return the document as JSON."""
    return json_text(_plain(told))


def json_text(value: object) -> str:
    """Write JSON; halves of characters, which no encoding can write, become escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def render_yaml(told: ApiModel) -> str:
    """Return the document as YAML."""
    return yaml.safe_dump(_plain(told), sort_keys=False, width=100, allow_unicode=True)


def _plain(told: ApiModel) -> object:
    return told.model_dump(mode="json", by_alias=True, exclude_none=True)
