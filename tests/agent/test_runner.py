"""The agent's runner on a real API server: what it counts first, what it tells before it lets go.

Processes stand in for VMMs here: they are of no use but to be found, counted and ended.
"""

import asyncio
import itertools
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from schedune.api.nodetruth import Identity, NodeTruthStatus
from schedune.api.vmplacement import VMPlacement
from schedune_agent.early_shutdown import EarlyShutdown
from schedune_agent.host_shutdown import HostShutdown
from schedune_agent.node import Node
from schedune_agent.placements import PlacementRunner
from schedune_agent.record import LaunchRecord
from schedune_agent.truth import TruthPublisher
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiUnavailableError, NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NODES, NODETRUTHS, VMPLACEMENTS
from schedune_testing.accounts import bearing, token_of
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.looking import BOOT_ID, recorded
from schedune_testing.mortal_client import MortalClient
from schedune_testing.read_only import read_only

pytestmark = pytest.mark.cluster
NODE = "runner-node"
StartMarked = Callable[..., "subprocess.Popen[bytes]"]


class Facts:
    """Facts that never change."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def take_facts(self) -> NodeTruthStatus:
        facts = self._node.facts()
        assert facts is not None
        own = self._node.identity
        identity = Identity(
            node_uid=own.uid, machine_id=own.machine_id, boot_id=own.boot_id, agent_version="1"
        )
        return facts.model_copy(update={"identity": identity})


@dataclass
class Stage:
    """The control plane, who speaks to it, and the files of one node."""

    control_plane: ControlPlane
    admin: KubeClient
    operator: KubeClient
    token: str
    node_uid: str
    new_node: Callable[..., Node]
    new_placement: Callable[..., VMPlacement]

    async def place(self, *, listed: str = "any", **options: Any) -> str:
        """Bind a placement to the node, as the operator does; return its UID."""
        name = f"{listed}-{uuid.uuid4().hex[:8]}"
        made = self.new_placement(node_name=NODE, node_uid=self.node_uid, **options)
        metadata = {
            "name": name,
            "namespace": "default",
            "finalizers": made.metadata.finalizers,
        }
        body = {"apiVersion": made.api_version, "kind": made.kind, "metadata": metadata}
        spec = made.spec.render()
        raw = await self.operator.create(VMPLACEMENTS, {**body, "spec": spec}, "default")
        return str(raw["metadata"]["uid"])

    async def find(self, uid: str) -> dict[str, Any] | None:
        listed, _ = await self.admin.list(VMPLACEMENTS, "default")
        return next((one for one in listed if one["metadata"]["uid"] == uid), None)

    async def delete(self, uid: str) -> None:
        found = await self.find(uid)
        assert found is not None
        await self.operator.delete(VMPLACEMENTS, found["metadata"]["name"], "default", uid=uid)

    async def live(self) -> set[str]:
        """Return the live VMs that the node's truth names."""
        try:
            truth = await self.admin.get(NODETRUTHS, NODE)
        except NotFoundError:
            return set()
        return {one["placementUID"] for one in truth.get("status", {}).get("liveVMs", [])}

    @asynccontextmanager
    async def agent(
        self, *, kill_at: int = 0, of: str = "", **options: Any
    ) -> AsyncIterator["Agent"]:
        """Run an agent with what earlier ones left on the disk."""
        credentials = bearing(self.control_plane, self.token)
        async with MortalClient(credentials, field_manager="schedune-agent") as client:
            client.left, client.counts = kill_at, of
            node = self.new_node(NODE, self.node_uid)
            agent = Agent(client, node, options)
            task = asyncio.create_task(agent.run())
            agent.task = task
            try:
                yield agent
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError, BaseExceptionGroup):
                    await task


class Agent:
    """Publisher and runner, put together as the agent does."""

    task: "asyncio.Task[None]"

    def __init__(self, client: KubeClient, node: Node, options: dict[str, Any]) -> None:
        self.node = replace(node, ordered=lambda: self._publisher.ordered)
        self.runner = PlacementRunner(
            client,
            self.node,
            on_live_change=lambda: self._publisher.nudge(),  # noqa: PLW0108 - made below
            withdraw=options.pop("withdraw", lambda uid: self._publisher.withdraw(uid)),  # noqa: PLW0108
            **options,
        )
        self._publisher = TruthPublisher(
            client,
            node.settings,
            node.identity,
            Facts(node),
            live_vms=self.runner.live_vms,
            orphans=self.runner.orphans,
            orders=self.runner.orders,
            clock=node.clock,
        )

    async def run(self) -> None:
        self.runner.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publisher.run())
            await self._publisher.known.wait()
            group.create_task(self.runner.run())


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running_control_plane(tmp_path_factory.mktemp("control-plane")) as found:
        yield found


@pytest.fixture
async def stage(
    control_plane: ControlPlane,
    new_node: Callable[..., Node],
    new_placement: Callable[..., VMPlacement],
) -> AsyncIterator[Stage]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as admin:
        token = await token_of(admin, NODE)
        operator = bearing(control_plane, await token_of(admin, None, "schedune-operator"))
        node_uid = (await admin.get(NODES, NODE))["metadata"]["uid"]
        async with KubeClient(operator, field_manager="schedune-operator") as speaker:
            yield Stage(control_plane, admin, speaker, token, node_uid, new_node, new_placement)
        for one in (await admin.list(VMPLACEMENTS, "default"))[0]:
            name = one["metadata"]["name"]
            await admin.merge_patch(
                VMPLACEMENTS, name, {"metadata": {"finalizers": None}}, "default"
            )
            with suppress(NotFoundError):
                await admin.delete(VMPLACEMENTS, name, "default")
        with suppress(NotFoundError):
            await admin.delete(NODETRUTHS, NODE)


async def until(question: Callable[[], Awaitable[object]], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not await question():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)


def launched(node: Node, uid: str, vm: "subprocess.Popen[bytes]", **changes: Any) -> None:
    """Leave the record of a VM that an earlier agent started."""
    values: dict[str, Any] = {
        "placement_uid": uid,
        "workload_uid": "workload-uid",
        "namespace": "default",
        "name": "vm",
        "claim": {"vcpus": 2, "memory": "64Mi", "overheadMemory": "16Mi"},
        "state": "Running",
        "process": recorded(vm),
        **changes,
    }
    node.records.save(LaunchRecord.model_validate(values))


async def test_the_object_goes_only_after_the_truth_no_longer_names_its_vm(
    stage: Stage, start_marked: StartMarked
) -> None:
    uid = await stage.place(vcpus=2)
    launched(stage.new_node(), uid, start_marked(uid))
    await stage.delete(uid)
    refused = []

    async def refuse(placement_uid: str) -> None:
        refused.append(placement_uid)
        raise ApiUnavailableError("nobody takes the truth")

    async with stage.agent(withdraw=refuse) as agent:
        await until(lambda: _answer(len(refused) > 1), 15)
        assert await stage.find(uid) is not None
        assert not agent.task.done()
    async with stage.agent():
        await until(lambda: _is_gone(stage, uid))
        assert uid not in await stage.live()


async def _is_gone(stage: Stage, uid: str) -> bool:
    """While the object is there the truth may name its VM; never when it is gone."""
    return await stage.find(uid) is None


async def _answer(value: bool) -> bool:
    return value


async def test_killed_at_any_write_the_next_agent_tells_the_end_and_lets_go_of_the_object(
    stage: Stage, start_marked: StartMarked
) -> None:
    """The VM ended while no agent was there: what is left is to tell of it, in order."""
    for moment in itertools.count(1):
        uid = await stage.place(vcpus=2)
        process = start_marked(uid)
        launched(stage.new_node(), uid, process)
        process.kill()
        process.wait()
        await stage.delete(uid)
        async with stage.agent(kill_at=moment) as agent:
            await until(lambda agent=agent, uid=uid: _ended_or_gone(stage, agent, uid))
            was_killed = agent.task.done()
        async with stage.agent() as agent:
            await until(lambda uid=uid: _is_gone(stage, uid))
            assert uid not in await stage.live()
            await until(lambda agent=agent, uid=uid: _answer(_is_forgotten(agent.node, uid)))
        if not was_killed:
            break
    assert moment > 3


async def _ended_or_gone(stage: Stage, agent: Agent, uid: str) -> bool:
    return agent.task.done() or await stage.find(uid) is None


def _is_forgotten(node: Node, uid: str) -> bool:
    return uid not in node.records.load_all() and uid not in node.ledger.held


async def test_the_first_truth_of_a_new_agent_names_what_runs(
    stage: Stage, start_marked: StartMarked
) -> None:
    uid = await stage.place(vcpus=2)
    launched(stage.new_node(), uid, start_marked(uid))
    # It may tell of the placement before: the second write of its truth is the first with facts.
    async with stage.agent(kill_at=4, of="nodetruths"):
        await until(lambda: _has_truth(stage, uid))


async def _has_truth(stage: Stage, uid: str) -> bool:
    try:
        truth = await stage.admin.get(NODETRUTHS, NODE)
    except NotFoundError:
        return False
    if "digest" not in truth.get("status", {}):
        return False
    assert uid in await stage.live()
    return True


async def test_a_new_placement_is_judged_after_all_that_was_admitted_before(
    stage: Stage, start_marked: StartMarked
) -> None:
    """The newcomer's worker begins first: the one that runs there already is listed last."""
    new = [await stage.place(listed="first", vcpus=1) for _ in range(3)]
    uid = await stage.place(listed="last", vcpus=2)
    launched(stage.new_node(), uid, start_marked(uid), claim=None)
    async with stage.agent():
        for one in new:
            await until(lambda one=one: _has_ended(stage, one))
            assert (await stage.find(one))["status"]["ended"]["reason"] == "LedgerFull"


async def _has_ended(stage: Stage, uid: str) -> bool:
    found = await stage.find(uid)
    return bool(found and found.get("status", {}).get("ended"))


async def test_a_placement_that_vanished_starts_nothing_and_its_vm_is_no_longer_ours_to_end(
    stage: Stage, start_marked: StartMarked
) -> None:
    """Somebody took the finalizer off; the launch may have been started just before."""
    uid = await stage.place(vcpus=2)
    process = start_marked(uid)
    launched(stage.new_node(), uid, process, state="Launching", process=None, argv=["/bin/false"])
    async with stage.agent() as agent:
        await until(lambda: _answer(bool(agent.runner.live_vms())))
        found = await stage.find(uid)
        await stage.admin.merge_patch(
            VMPLACEMENTS, found["metadata"]["name"], {"metadata": {"finalizers": None}}, "default"
        )
        await stage.delete(uid)
        await until(lambda: _answer(_is_told(agent, uid)))
        assert [one.placement_uid for one in agent.runner.live_vms()] == [uid]
        assert uid in agent.node.ledger.held
        assert process.poll() is None


def _is_told(agent: Agent, uid: str) -> bool:
    return uid in [one.placement_uid for one in agent.runner.orphans()]


async def test_a_disk_turns_read_only(stage: Stage, start_marked: StartMarked) -> None:
    """Its agent tells so and ends the VM by order. A longer name makes the socket's too long."""
    uid = await stage.place(vcpus=1)
    process, node = start_marked(uid), stage.new_node()
    launched(node, uid, process)
    with read_only(node.settings.state_directory):
        async with stage.agent():
            await until(lambda: _has_reason(stage, uid, "RecordUnwritable"))
            assert process.poll() is None
            await stage.delete(uid)
            await until(lambda: _answer(process.poll() is not None))
    async with stage.agent():
        await until(lambda: _is_gone(stage, uid))


async def _has_reason(stage: Stage, uid: str, reason: str) -> bool:
    found = await stage.find(uid)
    conditions = found["status"].get("conditions", []) if found and "status" in found else []
    return any(one["reason"] == reason for one in conditions)


async def test_an_agents_end_ends_no_vm_and_an_order_that_the_host_goes_down_ends_them_all(
    stage: Stage, start_marked: StartMarked
) -> None:
    uid = await stage.place(vcpus=1)
    process = start_marked(uid)
    node = stage.new_node()
    launched(node, uid, process)
    async with stage.agent() as agent:
        await until(lambda: _answer(bool(agent.runner.live_vms())))
    assert process.poll() is None
    shutdown = HostShutdown(node.settings.run_directory, BOOT_ID)
    async with stage.agent():
        shutdown.order()
        await until(lambda: _answer(shutdown.is_done))
        assert process.poll() is not None
        await until(lambda: _has_last_exit(stage, uid))
        found = await stage.find(uid)
        assert found["status"]["lastExit"]["reason"] == "HostShutdown"
        assert not found["status"].get("ended")
        shutdown.cancel()
        await until(lambda: _answer(not shutdown.is_done))


async def test_workers_begin_after_the_ends_that_were_begun_before_them_and_tell_of_those(
    stage: Stage, start_marked: StartMarked
) -> None:
    uid = await stage.place(vcpus=1)
    process = start_marked(uid)
    node = stage.new_node()
    launched(node, uid, process, grace_seconds=1)
    shutdown, seen = HostShutdown(node.settings.run_directory, BOOT_ID), []
    async with EarlyShutdown(node.settings, node.clock) as early:

        async def take_over() -> None:
            shutdown.order()
            await until(lambda: _answer(bool(node.records.load_all()[uid].guest_end)))
            await early.give_way()
            seen.append(process.poll())

        async with stage.agent(take_over=take_over):
            await until(lambda: _has_last_exit(stage, uid))
            await until(lambda: _answer(shutdown.is_done))
    assert seen[0] is not None
    found = await stage.find(uid)
    assert found["status"]["lastExit"]["reason"] == "HostShutdown"


async def _has_last_exit(stage: Stage, uid: str) -> bool:
    found = await stage.find(uid)
    return bool(found and found.get("status", {}).get("lastExit"))
