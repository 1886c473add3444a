"""Orders about orphans, carried out on real processes."""

import signal
import subprocess
from collections.abc import Callable, Sequence

from schedune.api.nodetruth import OrphanAction
from schedune.api.vmplacement import VMPlacement
from schedune_agent.node import Node
from schedune_agent.orphan_orders import OrphanOrders
from schedune_agent.orphans import Orphans, Sweep
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import RecordedProcess
from schedune_agent.system import processes

UID = "11111111-2222-3333-4444-555555555555"
NewPlacement = Callable[..., VMPlacement]
StartMarked = Callable[..., "subprocess.Popen[bytes]"]


def never(_uid: str, _process: RecordedProcess) -> bool:
    raise AssertionError("nothing is to be adopted")


def order(node: Node, pid: int, action: str, **changes: object) -> OrphanAction:
    found = processes.read_identity(pid, node.identity.boot_id)
    assert found is not None
    body = {"pid": pid, "startTime": found.start_time, "bootID": found.boot_id, "action": action}
    return OrphanAction.model_validate({**body, **changes})


def ordering(node: Node, *orders: OrphanAction) -> OrphanOrders:
    def read() -> Sequence[OrphanAction]:
        return orders

    return OrphanOrders(read, node.identity.boot_id)


def looking(node: Node) -> Callable[[], Sweep]:
    orphans = Orphans(node)

    def look() -> Sweep:
        orphans.sweep({})
        return orphans.last

    return look


async def test_an_orphan_is_ended_as_ordered_and_told_so_as_long_as_the_order_stands(
    node: Node, start_marked: StartMarked
) -> None:
    stray, other = start_marked(), start_marked("another-uid")
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    await orders.carry_out(looking(node), never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]
    assert other.poll() is None
    await orders.carry_out(looking(node), never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]


async def test_an_orphan_that_hears_no_sigterm_is_ended_all_the_same(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    stray.send_signal(signal.SIGSTOP)
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    await orders.carry_out(looking(node), never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]


async def test_a_process_that_began_at_another_time_is_not_touched(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Terminate", startTime=1))
    await orders.carry_out(looking(node), never)
    assert [one.code for one in orders.told] == ["ORPHAN_ORDER_STALE"]
    assert stray.poll() is None


async def test_a_pid_that_was_used_again_since_the_sweep_is_not_touched(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    sweep = looking(node)()
    stray.kill()
    stray.wait()
    await orders.carry_out(lambda: sweep, never)
    assert [one.code for one in orders.told] == ["ORPHAN_ORDER_STALE"]


async def test_what_is_to_be_ignored_is_left_alone_and_counted(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Ignore"))
    await orders.carry_out(looking(node), never)
    assert [one.code for one in orders.told] == ["ORPHAN_IGNORED"]
    assert stray.poll() is None
    assert node.ledger.held


async def test_what_was_adopted_a_moment_ago_is_not_ended_by_the_next_order(
    node: Node, start_marked: StartMarked, new_placement: NewPlacement
) -> None:
    known, beside = start_marked(), start_marked()
    worker = PlacementWorker(node, new_placement(), None)
    orphans = Orphans(node)

    def look() -> Sweep:
        orphans.sweep({UID: worker.record})
        return orphans.last

    def adopt(uid: str, process: RecordedProcess) -> bool:
        return uid == UID and worker.choose(process)

    adopts = order(node, beside.pid, "Adopt", placementUID=UID)
    orders = ordering(node, adopts, order(node, beside.pid, "Terminate"))
    await orders.carry_out(look, adopt)
    assert [one.code for one in orders.told] == ["ORPHAN_ADOPTED", "ORPHAN_ORDER_REFUSED"]
    assert worker.record.process is not None
    assert worker.record.process.pid == beside.pid
    assert (known.poll(), beside.poll()) == (None, None)
