"""The rules that ship as CEL, asked in Python: both say the same, whatever the object."""

from collections.abc import Iterator
from typing import Any

import celpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schedune.api.nodetruth import NodeTruth
from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import VMWorkload
from schedune_cli.reading.rules import PREDICATES, is_about_change, rules_of

FIELDS = (
    "kernel", "firmware", "initrd", "commandLine", "artifact", "hostPath", "empty", "inline",
    "secretRef", "minimum", "exact", "tap", "user",
    "port", "marker",
)  # fmt: skip
OBJECTS = st.fixed_dictionaries(
    {
        "retention": st.sampled_from(["Retain", "Delete"]),
        "access": st.sampled_from(["ReadOnly", "Ephemeral", "Persistent"]),
        "type": st.sampled_from(["User", "Tap", "TCP", "Console"]),
        "source": st.dictionaries(st.sampled_from(["artifact", "empty"]), st.just("given")),
        "metadata": st.fixed_dictionaries({"name": st.integers(60, 66).map(lambda n: "x" * n)}),
    },
    optional={name: st.just("given") for name in FIELDS},
)


def models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Give a model and every model in it."""
    yield root
    for field in root.model_fields.values():
        yield from models_in(field.annotation)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models(annotation)
    for one in getattr(annotation, "__args__", ()):
        yield from models_in(one)


SHIPPED = {
    rule
    for root in (VMWorkload, VMPlacement, NodeTruth)
    for model in models(root)
    for rule, _ in rules_of(model)
    if not is_about_change(rule)
}


def test_every_rule_that_ships_is_asked_and_no_other() -> None:
    assert set(PREDICATES) == SHIPPED


@pytest.mark.parametrize("rule", sorted(SHIPPED))
def test_a_rule_says_what_its_cel_says(rule: str) -> None:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))

    @given(OBJECTS)
    def says_the_same(found: dict[str, Any]) -> None:
        said = program.evaluate({"self": celpy.json_to_cel(found)})
        assert bool(said) == PREDICATES[rule](found)

    says_the_same()
