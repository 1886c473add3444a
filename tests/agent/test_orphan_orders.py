"""Orders about orphans, carried out on real processes."""

import signal
import subprocess
from collections.abc import Callable, Sequence

from schedune.api.nodetruth import OrphanAction
from schedune_agent.orphan_orders import OrphanOrders
from schedune_agent.orphans import Orphans
from schedune_agent.placement_base import Node
from schedune_agent.record import RecordedProcess
from schedune_agent.system import processes

StartMarked = Callable[..., "subprocess.Popen[bytes]"]


async def never(_uid: str, _process: RecordedProcess) -> bool:
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


def swept(node: Node) -> Orphans:
    orphans = Orphans(node)
    orphans.sweep({})
    return orphans


async def test_an_orphan_is_ended_as_ordered_and_told_so_as_long_as_the_order_stands(
    node: Node, start_marked: StartMarked
) -> None:
    stray, other = start_marked(), start_marked("another-uid")
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    assert await orders.carry_out(swept(node).last, never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]
    assert other.poll() is None
    assert not await orders.carry_out(swept(node).last, never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]


async def test_an_orphan_that_hears_no_sigterm_is_ended_all_the_same(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    stray.send_signal(signal.SIGSTOP)
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    assert await orders.carry_out(swept(node).last, never)
    assert [one.code for one in orders.told] == ["ORPHAN_TERMINATED"]


async def test_a_process_that_began_at_another_time_is_not_touched(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Terminate", startTime=1))
    assert not await orders.carry_out(swept(node).last, never)
    assert [one.code for one in orders.told] == ["ORPHAN_ORDER_STALE"]
    assert stray.poll() is None


async def test_a_pid_that_was_used_again_since_the_sweep_is_not_touched(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Terminate"))
    sweep = swept(node).last
    stray.kill()
    stray.wait()
    await orders.carry_out(sweep, never)
    assert [one.code for one in orders.told] == ["ORPHAN_ORDER_STALE"]


async def test_what_is_to_be_ignored_is_left_alone_and_counted(
    node: Node, start_marked: StartMarked
) -> None:
    stray = start_marked()
    orders = ordering(node, order(node, stray.pid, "Ignore"))
    orphans = swept(node)
    assert not await orders.carry_out(orphans.last, never)
    assert [one.code for one in orders.told] == ["ORPHAN_IGNORED"]
    assert stray.poll() is None
    assert node.ledger.held
