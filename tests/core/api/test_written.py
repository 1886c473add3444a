"""What people write is held against the schema of its kind as the API server does it."""

from typing import Any

import pytest

from schedune.api.crd.schema import structural
from schedune.api.vmworkload import VMWorkloadSpec
from schedune.api.written import meant, misfits, without_nulls
from schedune_testing.manifests import full_workloads

SCHEMA = structural(VMWorkloadSpec, with_defaults=False)


def paths(spec: dict[str, Any]) -> list[str]:
    return [".".join(one.path) for one in misfits(spec, SCHEMA)]


@pytest.mark.parametrize("workload", full_workloads())
def test_a_good_object_fits_and_loses_nothing(workload: dict[str, Any]) -> None:
    assert paths(workload["spec"]) == []
    assert without_nulls(workload["spec"], SCHEMA) == workload["spec"]


def test_a_number_without_a_fraction_is_an_integer() -> None:
    assert paths({"resources": {"vcpus": 2.0, "memory": 4}}) == []
    assert paths({"resources": {"vcpus": 2.5, "memory": 4.5}}) == [
        "resources.vcpus", "resources.memory",
    ]  # fmt: skip


def test_each_misfit_is_found_and_what_nobody_knows_is_left_to_others() -> None:
    assert paths({"networks": {}, "resources": 3, "colour": True}) == ["networks", "resources"]
    assert paths({"placement": {"nodeSelector": {"zone": 1}}}) == ["placement.nodeSelector.zone"]


def test_null_is_dropped_from_fields_and_from_nowhere_else() -> None:
    spec = {"disks": None, "colour": None, "placement": {"nodeSelector": {"zone": None}}}
    assert without_nulls(spec, SCHEMA) == {"colour": None, "placement": {"nodeSelector": {}}}
    assert without_nulls({"disks": [None]}, SCHEMA) == {"disks": [None]}


def test_each_name_that_occurs_again_is_told_with_the_first() -> None:
    named = [{"name": name} for name in "aba"]
    found = list(misfits({"disks": named}, SCHEMA))
    assert [(one.path, one.value) for one in found] == [(("disks", "2", "name"), "a")]
    assert "disks.0" in found[0].message


def test_a_field_as_python_spells_it_is_meant_as_the_api_does() -> None:
    assert meant("node_uid", ["nodeUID", "nodeName"]) == "nodeUID"
    assert meant("vcpu", ["vcpus"]) == "vcpus"
    assert meant("colour", ["vcpus"]) == ""
