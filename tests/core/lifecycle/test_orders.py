"""What is still ordered of a VM whose workload cannot be read as a whole."""

from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.lifecycle.orders import read_orders
from schedune.lifecycle.wants import BEING_DELETED, why_ended
from schedune_testing.recordings import TIME, placed


def refused(**spec: Any) -> tuple[dict[str, Any], VMPlacement]:
    found, bound = placed("vm", "a")
    found["spec"] |= {"fieldOfANewerVersion": 1, **spec}
    return found, VMPlacement.model_validate(bound)


def test_one_that_shall_run_is_not_ended() -> None:
    assert why_ended(read_orders(*refused())) == ""


def test_one_that_is_stopped_is_ended() -> None:
    assert why_ended(read_orders(*refused(runState="Stopped"))) == "the VM is stopped, as asked"


def test_one_that_is_deleted_is_ended() -> None:
    raw, placement = refused()
    raw["metadata"]["deletionTimestamp"] = TIME
    assert why_ended(read_orders(raw, placement)) == BEING_DELETED


@pytest.mark.parametrize(("token", "read"), [("x", "x"), (7, None), ("x" * 129, None)])
def test_a_token_is_one_only_as_the_api_has_it(token: object, read: str | None) -> None:
    assert read_orders(*refused(restartToken=token)).spec.restart_token == read


def test_a_spec_that_is_none_orders_nothing() -> None:
    raw, placement = refused()
    assert why_ended(read_orders({**raw, "spec": "nonsense"}, placement)) == ""
