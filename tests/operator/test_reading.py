"""What a workload that cannot be read as a whole still orders of its VM."""

from typing import Any

import pytest

from schedune.api.vmplacement import VMPlacement
from schedune.api.vmworkload import RunState, VMWorkloadStatus
from schedune.launch.intent import Intent, read_workload
from schedune.lifecycle.orders import read_orders
from schedune_operator.reading import read_intent
from schedune_operator.replacement import order_for
from schedune_testing.manifests import placement as a_placement
from schedune_testing.nodes import workload

PLACEMENT = VMPlacement.model_validate(a_placement())
HELD = VMWorkloadStatus()


def unreadable(**spec: Any) -> dict[str, Any]:
    raw = workload(**spec, fieldOfANewerVersion=1)
    assert isinstance(read_workload(raw), tuple)
    return raw


def test_whether_it_runs_is_read_by_itself() -> None:
    assert read_orders(unreadable(), PLACEMENT).spec.run_state is RunState.RUNNING
    stopped = read_orders(unreadable(runState="Stopped"), PLACEMENT)
    assert stopped.spec.run_state is RunState.STOPPED
    assert order_for(stopped, PLACEMENT).stop is not None


def test_so_is_the_token_that_restarts_it() -> None:
    token = PLACEMENT.spec.workload.restart_token
    assert order_for(read_orders(unreadable(restartToken=token), PLACEMENT), PLACEMENT).stop is None
    anew = read_orders(unreadable(restartToken="another"), PLACEMENT)
    assert order_for(anew, PLACEMENT).stop is not None


@pytest.mark.parametrize(
    "spec", [{"restartToken": 7}, {"restartToken": "x" * 129}, {"runState": "Perhaps"}]
)
def test_an_order_that_is_none_orders_nothing(spec: dict[str, Any]) -> None:
    assert order_for(read_orders(unreadable(**spec), PLACEMENT), PLACEMENT).stop is None


@pytest.mark.parametrize("spec", [None, "nonsense", ["a", "list"]])
def test_a_spec_that_is_none_orders_nothing(spec: object) -> None:
    raw = {**workload(), "spec": spec}
    assert order_for(read_orders(raw, PLACEMENT), PLACEMENT).stop is None


def test_all_else_is_as_the_vm_was_placed() -> None:
    orders = read_orders(unreadable(terminationGraceSeconds=3600), PLACEMENT)
    launch = PLACEMENT.spec.launch
    assert orders.spec.termination_grace_seconds == launch.termination_grace_seconds
    assert orders.spec.launch_mode is PLACEMENT.spec.mode
    assert orders.metadata.generation == 1


def test_what_cannot_be_read_or_is_refused_means_nothing_and_says_why() -> None:
    unread = read_intent(read_workload(unreadable()), HELD)
    assert isinstance(unread, tuple)
    assert unread[0].subject == "spec.fieldOfANewerVersion"
    refused = read_intent(read_workload(workload(resources={"vcpus": 1, "memory": "1Mi"})), HELD)
    assert isinstance(refused, tuple)
    assert refused[0].subject == "spec.resources.memory"
    assert isinstance(read_intent(read_workload(workload()), HELD), Intent)
