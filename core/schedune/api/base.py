"""What all API models share: spelling, strictness and Kubernetes' scalar types."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

GROUP = "schedune.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_UPPER = {"uid": "UID", "id": "ID", "vms": "VMs"}


def field_name(attribute: str) -> str:
    """Spell a Python attribute as the API does: ``node_uid`` becomes ``nodeUID``."""
    first, *rest = attribute.split("_")
    return first + "".join(_UPPER.get(word, word.capitalize()) for word in rest)


def rules(*expressions: tuple[str, str]) -> ConfigDict:
    """Attach CEL rules to a model: (expression, message) pairs that the API server checks.

    Plain CEL only, so that ``cel-python`` runs the very strings that ship.
    """
    validations: list[dict[str, JsonValue]] = [
        {"rule": rule, "message": message} for rule, message in expressions
    ]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [*validations]})


def exactly_one(*fields: str) -> tuple[str, str]:
    """Return the rule that exactly one of the fields is set."""
    present = ", ".join(f"has(self.{field})" for field in fields)
    names = ", ".join(f"`{field}`" for field in fields)
    return f"[{present}].filter(x, x).size() == 1", f"must have exactly one of {names}"


class ApiModel(BaseModel):
    """A part of a spec: frozen, and an unknown field is an error."""

    model_config = ConfigDict(
        alias_generator=field_name,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def render(self) -> dict[str, object]:
        """Return the JSON form with the API's spelling, without unset and empty fields."""
        return _without_empty(self.model_dump(mode="json", by_alias=True, exclude_none=True))


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    """Leave empty lists and maps out: ``kubectl describe`` prints a bare title for each."""
    kept = {key: _descend(one) for key, one in value.items()}
    return {key: one for key, one in kept.items() if one not in ([], {})}


def _descend(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_empty(value)
    if isinstance(value, list):
        return [_descend(one) for one in value]
    return value


class StatusModel(ApiModel):
    """A part of a status: fields of newer versions are passed over, not refused."""

    model_config = ConfigDict(extra="ignore")


def _render_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(_render_time, return_type=str, when_used="json")]
"""A moment in UTC with a resolution of one second, as Kubernetes writes it."""

Quantity = Annotated[
    str,
    Field(
        max_length=32,
        coerce_numbers_to_str=True,
        pattern=(
            r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
            r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
        ),
        json_schema_extra={"x-kubernetes-int-or-string": True, "minimum": 0},
    ),
]
"""A Kubernetes quantity as the user wrote it; ``quantity.parse_bytes`` reads it."""

Name = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
"""A DNS label."""

NodeName = Annotated[str, Field(min_length=1, max_length=253)]
UID = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
Code = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Z0-9_]{2,63}$")]
"""A row of the table of reason codes (``schedune.codes``)."""

Line = Annotated[str, Field(max_length=256)]
"""One line for people: no newline, no tab."""

Message = Annotated[str, Field(max_length=1024)]


class Condition(StatusModel):
    """The standard Kubernetes condition."""

    last_transition_time: Time
    """When ``status`` last changed; never moved by anything else."""
    message: Annotated[str, Field(max_length=32768)]
    """For people: what is the case, with observed and required values."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The ``metadata.generation`` this condition was decided for."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """One CamelCase word of the table of reason codes."""
    status: Annotated[
        str,
        Field(
            pattern="^(True|False|Unknown)$",
            json_schema_extra={"enum": ["True", "False", "Unknown"]},
        ),
    ]
    """True, False or Unknown."""
    type: Annotated[str, Field(max_length=316)]
    """What the condition is about."""


class Metadata(BaseModel):
    """What we read of an object's metadata; the rest is the API server's."""

    model_config = ConfigDict(
        alias_generator=field_name, populate_by_name=True, extra="ignore", frozen=True
    )

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[dict[str, object]] = Field(default_factory=list)
