"""Ids of the original as names in Kubernetes: kept, made legal aloud, or refused."""

import hashlib
import re
from typing import Final

from schedune_cli.importing.fields import Fields

_SAFE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DISK: Final = re.compile(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?", re.ASCII)
_NOT_IN_A_LABEL: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
_NOT_IN_AN_ARTIFACT: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_DIGEST_LENGTH: Final = 8
_LONGEST_LABEL: Final = 63
_LONGEST_SUBDOMAIN: Final = 253
_LONGEST_ARTIFACT: Final = 128


def label_of(fields: Fields, name: str) -> str:
    """Read an id that becomes a name or a namespace.

    One that the original itself calls unsafe is refused. One that only Kubernetes
    refuses is written in lower case with hyphens, and gets the start of its own digest,
    so that two ids never become one name.
    """
    found = fields.text(name, required=True)
    if not found or _LABEL.fullmatch(found):
        return found or "none"
    if not _SAFE.fullmatch(found):
        fields.refuse(name, "may hold letters, digits, '-' and '_' only: rename it")
        return "none"
    renamed = rename(found)
    fields.change(name, f"no name in Kubernetes: written as {renamed}")
    return renamed


def rename(text: str) -> str:
    """Return a legal label that tells where it came from, and is that of no other text."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    longest = _LONGEST_LABEL - _DIGEST_LENGTH - 1
    stem = _NOT_IN_A_LABEL.sub("-", text.lower())[:longest].strip("-")
    return f"{stem}-{digest}" if stem else f"x-{digest}"


def node_of(fields: Fields, name: str) -> str:
    """Read the name of a node: a NodeTruth is named as its Node, so nothing is renamed."""
    found = fields.text(name, required=True)
    if found and not is_node_name(found):
        fields.refuse(name, "is no name of a Node: write the name that kubectl get nodes shows")
        return "none"
    return found or "none"


def is_node_name(text: str) -> bool:
    """Say whether Kubernetes would take it as the name of a Node."""
    return len(text) <= _LONGEST_SUBDOMAIN and _SUBDOMAIN.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Say whether Kubernetes would take it as a name."""
    return _LABEL.fullmatch(text) is not None


def is_disk_name(text: str) -> bool:
    """Say whether a disk may be called so."""
    return _DISK.fullmatch(text) is not None


def artifact_of(path: str) -> str:
    """Return the name under which a file would stand in a node's inventory."""
    last = path.rstrip("/").rpartition("/")[2]
    name = _NOT_IN_AN_ARTIFACT.sub("-", last).strip("._-")
    return name[:_LONGEST_ARTIFACT].strip("._-")
