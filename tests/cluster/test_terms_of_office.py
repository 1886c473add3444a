"""What a leader may still write: only in its own term, and never when its right runs out."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.errors import FencedError, NoAnswerError, NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.leader import Elector, Fence, LeaderTimes
from schedune_kube.reflector import Reflector
from schedune_kube.resources import LEASES, VMWORKLOADS
from schedune_testing.control_plane import ControlPlane
from schedune_testing.manifests import minimal_workload

TIMES = LeaderTimes(duration_s=3, renew_deadline_s=2, retry_s=0.3, margin_s=0.5)


class Unreliable(KubeClient):
    """A client whose requests are lost at times, and whose answers are."""

    is_deaf = False
    """Nothing reaches the server."""
    delay_s = 0.0
    """Each request takes so much longer."""
    loses_answers = False
    """Everything reaches the server, and no answer comes back."""
    gate: asyncio.Event | None = None
    """Lists are held back until it is set."""

    async def _ask(self, *arguments: Any, **options: Any) -> Any:
        if self.is_deaf:
            raise NoAnswerError("deaf")
        await asyncio.sleep(self.delay_s)
        answer = await super()._ask(*arguments, **options)
        if self.loses_answers and arguments[0] != "GET":
            raise NoAnswerError("lost")
        return answer

    async def list(self, *arguments: Any, **options: Any) -> Any:
        found = await super().list(*arguments, **options)
        if self.gate is not None:
            await self.gate.wait()
        return found


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Unreliable]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with Unreliable(credentials, field_manager="test") as found:
        yield found


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as found:
        yield found


async def until_async(question: Callable[[], object]) -> None:
    """Ask again until the answer, which may have to be awaited, is yes."""
    async with asyncio.timeout(60):
        while True:
            answer = question()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.02)


def candidate(client: KubeClient, name: str, identity: str = "a") -> Elector:
    return Elector(
        client,
        name=name,
        namespace="default",
        identity=identity,
        times=TIMES,
        clock=lambda: datetime.now(UTC),
    )


async def end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_renewal_that_comes_late_wakes_whoever_stopped_for_want_of_margin(
    client: Unreliable,
) -> None:
    elector = candidate(client, "late")
    task = asyncio.create_task(elector.run())
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    client.is_deaf = True
    await until_async(lambda: not elector.leading())
    assert elector.leading(0), "its term is not over"
    waiter = asyncio.create_task(elector.wait_until_leading())
    client.is_deaf = False
    await asyncio.wait_for(waiter, 60)
    assert elector.epoch == 1
    await end(task)


async def test_what_was_decided_in_an_earlier_term_is_not_written_in_a_later_one(
    client: Unreliable,
) -> None:
    elector = candidate(client, "terms")
    fence = Fence(elector)
    task = asyncio.create_task(elector.run())
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    assert not fence(), "closed until the barrier is crossed"
    fence.open(elector.epoch)
    assert fence()
    client.is_deaf = True
    await until_async(lambda: not elector.leading(0))
    client.is_deaf = False
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    assert elector.epoch == 2
    assert not fence()
    await end(task)


async def test_a_slow_server_has_a_leader_all_the_same(client: Unreliable) -> None:
    """Both requests of an attempt take three times as long as the pause between attempts."""
    client.delay_s = 0.4
    elector = candidate(client, "slow")
    task = asyncio.create_task(elector.run())
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    for _ in range(100):
        assert elector.leading(0)
        await asyncio.sleep(0.05)
    assert elector.epoch == 1
    await end(task)


async def test_a_lease_that_somebody_made_endless_is_taken_when_its_holder_is_gone(
    client: Unreliable, admin: KubeClient
) -> None:
    endless = {"spec": {"leaseDurationSeconds": 3600}}
    elector = candidate(client, "edited")
    task = asyncio.create_task(elector.run())
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    await admin.merge_patch(LEASES, "edited", endless, "default")

    async def is_its_own_again() -> bool:
        lease = await admin.get(LEASES, "edited", "default")
        return bool(lease["spec"]["leaseDurationSeconds"] == TIMES.duration_s)

    await until_async(is_its_own_again)
    await end(task)
    await admin.merge_patch(LEASES, "edited", endless, "default")
    other = candidate(admin, "edited", "b")
    following = asyncio.create_task(other.run())
    await asyncio.wait_for(other.wait_until_leading(), 60)
    await end(following)


async def test_who_makes_a_deleted_lease_anew_knows_that_another_may_still_act(
    client: Unreliable, admin: KubeClient
) -> None:
    former, later = candidate(client, "deleted"), candidate(admin, "deleted", "b")
    leading = asyncio.create_task(former.run())
    await asyncio.wait_for(former.wait_until_leading(), 60)
    waiting = asyncio.create_task(later.run())
    await until_async(later.tried.is_set)
    client.is_deaf = True
    await admin.delete(LEASES, "deleted", "default")
    await asyncio.wait_for(later.wait_until_leading(), 60)
    assert later.succeeds
    client.is_deaf = False
    await until_async(lambda: not former.leading(0))
    assert later.leading(0)
    await end(leading)
    await end(waiting)


async def test_an_acquisition_whose_answer_is_lost_makes_no_leader_until_it_has_run_out(
    client: Unreliable, admin: KubeClient
) -> None:
    elector = candidate(client, "lost-answer")
    client.loses_answers = True
    task = asyncio.create_task(elector.run())

    async def is_written() -> bool:
        try:
            found = await admin.get(LEASES, "lost-answer", "default")
        except NotFoundError:
            return False
        return found["spec"]["holderIdentity"] == "a"

    await until_async(is_written)
    client.loses_answers = False
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    assert elector.epoch == 2, "it went on with what it did not know that it had"
    await end(task)


async def test_a_lease_that_is_deleted_begins_to_count_anew_and_so_guards_nothing(
    client: Unreliable, admin: KubeClient
) -> None:
    elector = candidate(client, "deleted")
    task = asyncio.create_task(elector.run())
    await asyncio.wait_for(elector.wait_until_leading(), 60)
    await admin.delete(LEASES, "deleted", "default")

    async def is_back() -> bool:
        try:
            found = await admin.get(LEASES, "deleted", "default")
        except NotFoundError:
            return False
        return found["spec"]["leaseTransitions"] == 1

    await until_async(is_back)
    assert elector.epoch == 1
    await end(task)


async def test_a_guarded_client_sends_no_write_that_it_may_not_and_every_read(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    may = [True]
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as guarded:
        guarded.guard(lambda: may[0], 3.0)
        await guarded.create(VMWORKLOADS, minimal_workload("guarded"), "default")
        may[0] = False
        with pytest.raises(FencedError):
            await guarded.delete(VMWORKLOADS, "guarded", "default")
        await guarded.get(VMWORKLOADS, "guarded", "default")
    await admin.delete(VMWORKLOADS, "guarded", "default")


async def test_a_list_that_was_under_way_does_not_take_back_what_was_written_meanwhile(
    client: Unreliable, admin: KubeClient
) -> None:
    """A claim that vanished for a moment would be given to somebody else."""
    mirror = Reflector(client, VMWORKLOADS)
    client.gate = asyncio.Event()
    task = asyncio.create_task(mirror.run())
    await asyncio.sleep(0.5)
    made = await admin.create(VMWORKLOADS, minimal_workload("meanwhile"), "default")
    mirror.absorb(made)
    client.gate.set()
    await asyncio.wait_for(mirror.synced.wait(), 60)
    assert ("default", "meanwhile") in mirror.store
    await admin.delete(VMWORKLOADS, "meanwhile", "default")
    again = await admin.create(VMWORKLOADS, minimal_workload("meanwhile"), "default")
    mirror.absorb(again)
    await asyncio.sleep(1)
    assert mirror.store[("default", "meanwhile")]["metadata"]["uid"] == again["metadata"]["uid"]
    await admin.delete(VMWORKLOADS, "meanwhile", "default")
    await end(task)


async def test_who_asks_for_a_newer_list_gets_one_though_the_watch_goes_on(
    client: Unreliable,
) -> None:
    mirror = Reflector(client, VMWORKLOADS)
    task = asyncio.create_task(mirror.run())
    await asyncio.wait_for(mirror.synced.wait(), 60)
    before = mirror.listed_at
    await asyncio.wait_for(mirror.listed_since(asyncio.get_running_loop().time()), 60)
    assert mirror.listed_at > before
    await end(task)
