"""The three definitions: names, columns, selectable fields, schema."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from schedune.api.base import GROUP, VERSION
from schedune.api.crd.ownership import Owned, with_owners
from schedune.api.crd.schema import Schema, structural
from schedune.api.nodetruth import NodeTruth, NodeTruthSpec, NodeTruthStatus
from schedune.api.vmplacement import VMPlacement, VMPlacementSpec, VMPlacementStatus
from schedune.api.vmworkload import VMWorkload, VMWorkloadSpec, VMWorkloadStatus

_READY: Final = '.status.conditions[?(@.type=="Ready")]'


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``."""

    name: str
    path: str
    wide: bool = False
    kind: str = "string"

    def render(self) -> dict[str, object]:
        """Return it as the CRD has it."""
        priority = {"priority": 1} if self.wide else {}
        return {"name": self.name, "type": self.kind, "jsonPath": self.path, **priority}


_AGE: Final = Column("Age", ".metadata.creationTimestamp", kind="date")


@dataclass(frozen=True, slots=True)
class Definition:
    """What the schema alone does not say of a kind."""

    root: type[BaseModel]
    spec: type[BaseModel]
    status: type[BaseModel]
    plural: str
    short: str
    scope: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]
    spec_owned: Owned = Owned.BY_FIELD
    status_owned: Owned = Owned.WHOLE

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.root.__name__


DEFINITIONS: Final = (
    Definition(
        VMWorkload, VMWorkloadSpec, VMWorkloadStatus, "vmworkloads", "vmw", "Namespaced",
        (
            Column("Ready", f"{_READY}.status"),
            Column("Reason", ".status.reason"),
            Column("Node", ".status.nodeName"),
            Column("Eligible", ".status.evaluation.nodesEligible", wide=True, kind="integer"),
            Column("Nodes", ".status.evaluation.nodesEvaluated", wide=True, kind="integer"),
            Column("Mode", ".spec.launchMode", wide=True),
            Column("Message", f"{_READY}.message", wide=True),
            _AGE,
        ),
        (".spec.architecture", ".status.nodeName", ".status.reason"),
    ),
    Definition(
        VMPlacement, VMPlacementSpec, VMPlacementStatus, "vmplacements", "vmp", "Namespaced",
        (
            Column("Ready", f"{_READY}.status"),
            Column("State", ".status.state"),
            Column("Node", ".spec.nodeName"),
            Column("Backend", ".spec.backend"),
            Column("Rung", ".status.readiness.rung"),
            Column("PID", ".status.vmm.pid", kind="integer"),
            Column("Mode", ".spec.mode", wide=True),
            Column("Incarnation", ".status.incarnation", wide=True, kind="integer"),
            Column("Message", f"{_READY}.message", wide=True),
            _AGE,
        ),
        (".spec.nodeName", ".spec.mode", ".status.state"),
        spec_owned=Owned.WHOLE,
    ),
    Definition(
        NodeTruth, NodeTruthSpec, NodeTruthStatus, "nodetruths", "ntruth", "Cluster",
        (
            Column("Ready", f"{_READY}.status"),
            Column("Arch", ".status.cpu.architecture"),
            Column("KVM", '.status.conditions[?(@.type=="KVMUsable")].status'),
            Column("Fresh", '.status.conditions[?(@.type=="Fresh")].status'),
            Column("VCPUs", ".status.capacity.vcpus", kind="integer"),
            Column("Memory", ".status.capacity.memory"),
            Column("Class", ".status.compatibilityClass", wide=True),
            Column("Backends", ".status.backends[*].name", wide=True),
            Column("Agent", ".status.identity.agentVersion", wide=True),
            _AGE,
        ),
        (".status.compatibilityClass",),
        status_owned=Owned.BY_PART,
    ),
)  # fmt: skip


def render_definition(definition: Definition) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short],
                "categories": ["schedune"],
            },
            "scope": definition.scope,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "selectableFields": [{"jsonPath": path} for path in definition.selectable],
                    "additionalPrinterColumns": [column.render() for column in definition.columns],
                    "schema": {"openAPIV3Schema": _schema(definition)},
                }
            ],
        },
    }


def _schema(definition: Definition) -> Schema:
    extra = definition.root.model_config.get("json_schema_extra")
    spec = structural(definition.spec, with_defaults=True)
    if "spec" not in _required(definition.root):
        spec["default"] = {}
    return {
        "type": "object",
        "description": definition.root.__doc__,
        "required": [name for name in ("spec",) if name in _required(definition.root)],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this form of the object."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            "spec": with_owners(spec, definition.spec_owned),
            "status": with_owners(
                structural(definition.status, with_defaults=False), definition.status_owned
            ),
        },
        **(extra if isinstance(extra, dict) else {}),
    }


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]
