"""What an administrator orders about a process that is not proved to be a VM, and what follows."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from schedune.api.nodetruth import OrphanAction
from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.orphan_orders import OrphanOrders
from schedune_agent.orphans import Orphans, Sweep
from schedune_testing.fewer_rights import without_ptrace
from schedune_testing.looking import (
    BOOT_ID,
    UID,
    is_left_alone,
    looked,
    looking,
)

NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]
S = PlacementState


class Administrator:
    """Gives orders about what a sweep finds, and lets them be carried out."""

    def __init__(self, node: Node, new_placement: NewPlacement) -> None:
        self.orders: list[OrphanAction] = []
        self.node = replace(node, ordered=lambda: self.orders)
        self.worker = looking(self.node, new_placement, "adoption")
        self._orphans = Orphans(self.node)
        self._carries_out = OrphanOrders(self.node.ordered, BOOT_ID)

    def look(self) -> Sweep:
        self._orphans.sweep({UID: self.worker.record})
        return self._orphans.last

    async def order(self, action: str) -> Sequence[str]:
        """Order something about the one that is told of; return what came of it."""
        self.look()
        (found,) = [one for one in self._orphans.found if one.placement_uid]
        assert (found.class_, found.code) == ("leaked", "ERR_ORPHAN_UNPROVED_CARRIER")
        assert "is not proved to be its VM" in found.message
        told = {"pid": found.pid, "startTime": found.start_time, "bootID": found.boot_id}
        body = {**told, "action": action, "placementUID": UID if action == "Adopt" else None}
        self.orders = [OrphanAction.model_validate(body)]
        await self._carries_out.carry_out(self.look, lambda _uid, one: self.worker.choose(one))
        return [one.code for one in self._carries_out.told]


async def test_a_doubtful_process_is_counted_told_of_and_ended_by_order(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    doubtful = start_marked(program="sleep")
    administrator = Administrator(node, new_placement)
    await looked(administrator.worker)
    administrator.look()
    assert node.ledger.held[UID].memory == "64Mi"
    assert await administrator.order("Terminate") == ["ORPHAN_TERMINATED"]
    assert doubtful.wait(5) is not None
    await looked(administrator.worker, 1)
    assert administrator.worker.record.ended is not None


async def test_a_vm_that_is_not_proved_is_taken_by_order_and_then_ended_as_any_other(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, tmp_path: Path
) -> None:
    vm = start_marked(run=tmp_path / "before")
    administrator = Administrator(node, new_placement)
    worker = administrator.worker
    await looked(worker)
    assert await administrator.order("Adopt") == ["ORPHAN_ADOPTED"]
    assert (await looked(worker))[-1] == "RECOVERY_UNANSWERED"
    assert worker.record.process is not None
    assert (worker.record.process.pid, vm.poll()) == (vm.pid, None)
    worker.placement = new_placement(deleted=True)
    await worker.step()
    assert worker.record.ended is not None
    assert vm.wait(5) is not None


async def test_beside_what_is_no_vm_and_is_ignored_by_order_the_placement_goes_on(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    doubtful = start_marked(program="sleep", user=65534)
    administrator = Administrator(node, new_placement)
    await looked(administrator.worker)
    assert await administrator.order("Ignore") == ["ORPHAN_IGNORED"]
    await looked(administrator.worker, 1)
    assert administrator.worker.record.ended is not None
    assert doubtful.poll() is None


async def test_no_order_to_ignore_starts_a_second_vmm_beside_one_that_is_marked(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked, tmp_path: Path
) -> None:
    vm = start_marked(run=tmp_path / "before")
    administrator = Administrator(node, new_placement)
    await looked(administrator.worker)
    assert await administrator.order("Ignore") == ["ORPHAN_IGNORED"]
    assert await is_left_alone(administrator.worker, vm)


async def test_no_order_starts_a_second_vm_beside_a_marked_process_that_may_not_be_looked_at(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    hidden = start_marked()
    administrator = Administrator(node, new_placement)
    with without_ptrace():
        await looked(administrator.worker)
        assert await administrator.order("Adopt") == ["ORPHAN_ORDER_REFUSED"]
        assert await administrator.order("Terminate") == ["ERR_ORPHAN_NOT_ENDED"]
        assert await administrator.order("Ignore") == ["ORPHAN_IGNORED"]
        assert await is_left_alone(administrator.worker, hidden)


async def test_beside_a_hidden_process_that_an_administrator_knows_for_a_mention_it_goes_on(
    node: Node, new_placement: NewPlacement, start_marked: StartMarked
) -> None:
    hidden = start_marked(program="strace", prefix=["strace", "-f"])
    administrator = Administrator(node, new_placement)
    with without_ptrace():
        assert await is_left_alone(administrator.worker, hidden)
        assert await administrator.order("Ignore") == ["ORPHAN_IGNORED"]
        await looked(administrator.worker, 1)
    assert administrator.worker.record.ended is not None
    assert hidden.poll() is None
