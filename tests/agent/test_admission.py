"""What is admitted goes by what administrators leave to VMs now."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.own_node import NodeReplacedError
from schedune_agent.placement_worker import PlacementWorker
from schedune_kube.errors import ApiError

S = PlacementState
NewPlacement = Callable[..., VMPlacement]


def with_one_vcpu_until(new_node: Callable[..., Node], node: Node, error: Exception | None) -> Node:
    """Return a node that learns of its other vCPUs when it looks again, if it can."""
    facts = [new_node(capacity={"vcpus": 1, "memory": "1Gi", "basis": "Declared"}).facts()]

    async def look() -> None:
        if error is not None:
            raise error
        facts[0] = node.facts()

    return replace(node, facts=lambda: facts[0], look_at_declared=look)


async def test_what_was_declared_a_moment_ago_is_seen_before_a_vm_is_refused(
    new_node: Callable[..., Node], node: Node, new_placement: NewPlacement
) -> None:
    """The operator goes by it at once, and has sent the VM here for it."""
    here = with_one_vcpu_until(new_node, node, None)
    worker = PlacementWorker(here, new_placement(vcpus=2), None)
    await worker.step()
    assert (worker.record.state, worker.record.refusal) == (S.PREPARING, None)


@pytest.mark.parametrize("error", [ApiError("no answer"), NodeReplacedError("another")])
async def test_where_it_cannot_be_looked_at_a_vm_is_refused_by_what_is_known(
    new_node: Callable[..., Node], node: Node, new_placement: NewPlacement, error: Exception
) -> None:
    here = with_one_vcpu_until(new_node, node, error)
    worker = PlacementWorker(here, new_placement(vcpus=2), None)
    await worker.step()
    assert worker.record.refusal is not None
    assert worker.record.refusal.code == "REFUSED_LEDGER_FULL"
