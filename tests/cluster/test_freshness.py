"""What Fresh says and when: real Leases by real tokens, agents that sleep, wrong clocks."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune.decision.placing import Placer
from schedune.launch.intent import Intent
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError
from schedune_kube.resources import EVENTS, LEASES, NODETRUTHS, VMWORKLOADS
from schedune_lab import controlplane as parts
from schedune_testing.accounts import Object, bearing, ensure, owned_truth, token_of
from schedune_testing.agents import (
    DIGEST,
    LEASES_OF_NODES,
    QUICK,
    make_usable,
    publishing,
    truth_of,
)
from schedune_testing.control_plane import ControlPlane
from schedune_testing.fleets import capability
from schedune_testing.freshness import (
    becomes,
    dry_run,
    fresh,
    is_placed,
    is_refused,
    says,
    status_of,
    until,
    witness,
)
from schedune_testing.nodes import facts
from schedune_testing.operators import operating

PATIENT = {"leaseDurationSeconds": 30}
"""A Lease that outlasts a restart of the API server."""

TOGETHER = {"leaseDurationSeconds": 10}
"""Nodes that fall silent within two seconds are all late when the first Lease runs out."""


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one that these tests may stop and start."""
    return own_control_plane


@pytest.fixture(autouse=True)
async def nothing_is_left_of_a_test(admin: KubeClient) -> AsyncIterator[None]:
    yield
    for name in [one["metadata"]["name"] for one in (await admin.list(NODETRUTHS))[0]]:
        await admin.delete(NODETRUTHS, name)
        with suppress(ApiError):
            await admin.delete(LEASES, name, LEASES_OF_NODES)
    for workload_name in [one["metadata"]["name"] for one in (await admin.list(VMWORKLOADS))[0]]:
        await admin.delete(VMWORKLOADS, workload_name, "default")
    for event in await fleet_events(admin):
        await admin.delete(EVENTS, event["metadata"]["name"], "schedune-system")


@contextmanager
def agent_process(folder: Path, control_plane: ControlPlane, token: str) -> Iterator[int]:
    """Run a real agent process; give its pid."""
    truth = {"apiVersion": "schedune.io/v1alpha1", "kind": "NodeTruth", "metadata": {"name": "x"}}
    (folder / "facts.yaml").write_text(yaml.safe_dump({**truth, "status": facts("x")}))
    (folder / "token").write_text(token)
    settings = {
        **QUICK,
        "kubernetes": {
            "server": control_plane.layout.server,
            "caFile": str(control_plane.layout.authority),
            "tokenFile": str(folder / "token"),
        },
        "clusterUID": "cluster-of-tests",
        "stateDirectory": str(folder / "state"),
        "runDirectory": str(folder / "run"),
        "factsFile": str(folder / "facts.yaml"),
    }
    (folder / "agent.yaml").write_text(yaml.safe_dump(settings))
    argv = [sys.executable, "-m", "schedune_agent", "replay", "--settings"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*argv, str(folder / "agent.yaml")], stderr=log)
    try:
        yield process.pid
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(timeout=20)


async def test_an_agent_that_sleeps_past_its_lease_is_stale_until_it_wakes(
    control_plane: ControlPlane, admin: KubeClient, tmp_path: Path
) -> None:
    token = await token_of(admin, "sleeper")
    await make_usable(admin, "sleeper")
    async with operating(control_plane, admin):
        with agent_process(tmp_path, control_plane, token) as pid:
            await becomes(admin, "sleeper", "True")
            os.kill(pid, signal.SIGSTOP)
            stopped, start = datetime.now(UTC), time.monotonic()
            told = await becomes(admin, "sleeper", "False")
            assert time.monotonic() - start < 8.0
            lease = await admin.get(LEASES, "sleeper", LEASES_OF_NODES)
            renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
            vouched = timedelta(seconds=lease["spec"]["leaseDurationSeconds"])
            # The server stamps whole seconds, and by a stamp the first heartbeat is dated.
            assert datetime.now(UTC) - renewed >= vouched - timedelta(seconds=1)
            since = datetime.fromisoformat(told["lastTransitionTime"])
            assert timedelta(0) <= since - stopped < timedelta(seconds=8)
            assert told["reason"] == "TelemetryStale"
            assert "no heartbeat since" in told["message"]
            os.kill(pid, signal.SIGCONT)
            assert (await becomes(admin, "sleeper", "True"))["reason"] == "Fresh"


async def test_after_a_long_silence_nothing_is_known_of_the_node(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with operating(control_plane, admin, expireSeconds=5), witness(admin) as seen:
        async with publishing(control_plane, admin, "forgotten"):
            await becomes(admin, "forgotten", "True")
        told = await becomes(admin, "forgotten", "Unknown")
        assert told["reason"] == "TruthExpired"
        await seen.hears("forgotten", ["True", "False", "Unknown"])


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_node_whose_clock_is_wrong_stays_fresh_and_so_do_its_answers(
    control_plane: ControlPlane, admin: KubeClient, hours: int
) -> None:
    """Its facts are dated by that clock; one of them lives for five seconds only."""
    name = f"skewed-{'behind' if hours < 0 else 'ahead'}"
    tpm = capability("hardware_tpm", "Supported", staleAfterSeconds=5)
    skew = {"clock_ahead": timedelta(hours=hours), "settings": {"leaseDurationSeconds": 4}}
    known = [*facts(name)["capabilities"], tpm]
    async with (
        operating(control_plane, admin) as operator,
        witness(admin) as seen,
        publishing(control_plane, admin, name, capabilities=known, **skew) as agent,
    ):
        await becomes(admin, name, "True")
        await asyncio.sleep(9)
        assert seen.heard[name] == ["True"]
        record = operator.world.record(operator.world.nodes.store[("", name)])
        assert abs(record.clock_ahead_seconds - hours * 3600) <= 2
        wanted = dry_run(f"tpm-{name}", placement=WITH_TPM)
        await admin.create(VMWORKLOADS, wanted, "default")
        await until(lambda: is_placed(admin, f"tpm-{name}"))
        agent.told.not_seen_again.add("hardware_tpm")
        late = dry_run(f"late-{name}", placement=WITH_TPM)
        await asyncio.sleep(7)
        await admin.create(VMWORKLOADS, late, "default")
        await until(lambda: is_refused(admin, f"late-{name}", "REJECT_CAPABILITY_STALE"))


WITH_TPM = {"requiredCapabilities": ["hardware_tpm"]}


async def test_a_lease_that_vouches_for_other_facts_makes_no_node_fresh(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    token = await token_of(admin, "mismatch")
    node = await make_usable(admin, "mismatch")
    identity = {**facts("mismatch")["identity"], "nodeUID": node["metadata"]["uid"]}
    truth = {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": "mismatch"},
        "status": facts("mismatch", identity=identity),
    }
    credentials = bearing(control_plane, token)
    async with (
        KubeClient(credentials, field_manager="schedune-agent") as agent,
        operating(control_plane, admin),
    ):
        await ensure(agent, NODETRUTHS, owned_truth("mismatch", node["metadata"]["uid"]))
        await agent.apply(NODETRUTHS, "mismatch", truth, subresource="status")
        await asyncio.sleep(1.1)
        await agent.create(LEASES, lease("mismatch", "sha256:of-others"), LEASES_OF_NODES)
        told = await becomes(admin, "mismatch", "False")
        assert "does not vouch for these facts" in told["message"]
        right = {"metadata": {"annotations": {DIGEST: truth["status"]["digest"]}}}  # type: ignore[index]
        await agent.merge_patch(LEASES, "mismatch", right, LEASES_OF_NODES)
        await becomes(admin, "mismatch", "True")


def lease(name: str, digest: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "annotations": {DIGEST: digest}},
        "spec": {"holderIdentity": "m", "leaseDurationSeconds": 60},
    }


async def test_a_truth_that_is_deleted_comes_back_and_is_fresh_again(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        operating(control_plane, admin),
        publishing(control_plane, admin, "deleted"),
    ):
        await becomes(admin, "deleted", "True")
        before = (await truth_of(admin, "deleted"))["metadata"]["uid"]
        await admin.delete(NODETRUTHS, "deleted")

        async def is_another() -> bool:
            found = await truth_of(admin, "deleted")
            return found.get("metadata", {}).get("uid", before) != before

        await until(is_another)
        await becomes(admin, "deleted", "True")


async def test_restarts_of_operator_and_api_server_make_no_node_stale(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        witness(admin) as seen,
        publishing(control_plane, admin, "steady", settings=PATIENT),
    ):
        async with operating(control_plane, admin):
            await becomes(admin, "steady", "True")
        since = (await fresh(admin, "steady"))["lastTransitionTime"]
        async with operating(control_plane, admin) as second:
            await until(lambda: leads(second))
            await restart(control_plane)
            await until(lambda: leads(second), 40)
            await asyncio.sleep(2)
        async with operating(control_plane, admin) as third:
            await until(lambda: leads(third))
            await asyncio.sleep(2)
        assert seen.heard["steady"] == ["True"]
        assert (await fresh(admin, "steady"))["lastTransitionTime"] == since


async def leads(operator: Any) -> bool:
    return bool(operator.elector.leading())


async def restart(control_plane: ControlPlane, down_s: float = 0.0) -> None:
    await asyncio.to_thread(control_plane.api_server.end)
    await asyncio.sleep(down_s)
    control_plane.api_server.start()
    await asyncio.to_thread(parts.wait_until_ready, control_plane.layout)


async def test_an_outage_of_our_own_rewrites_nothing_and_the_latest_facts_are_published_after_it(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    """All nodes are silent for longer than their Leases, since none can reach the server."""
    down_s = float(os.environ.get("SCHEDUNE_OUTAGE_SECONDS", "12"))
    names = [f"outage-{number}" for number in range(4)]
    async with (
        witness(admin) as seen,
        operating(control_plane, admin, outageNodes=3) as operator,
        AsyncExitStack() as agents,
    ):
        running = [
            await agents.enter_async_context(
                publishing(control_plane, admin, name, settings=TOGETHER)
            )
            for name in names
        ]
        for name in names:
            await becomes(admin, name, "True")
        outage = asyncio.create_task(restart(control_plane, down_s))
        rounds = running[0].told.rounds
        for cores in range(20, 30):
            await asyncio.sleep(down_s / 10)
            for one in running:
                one.told.status["cpu"] = {"architecture": "amd64", "cores": cores}
        assert running[0].told.rounds > rounds + 3, "it does not probe during the outage"
        await outage
        back = time.monotonic()

        async def is_latest() -> bool:
            truths = [await truth_of(admin, name) for name in names]
            return all(one["status"]["cpu"]["cores"] == 29 for one in truths)

        await until(is_latest, 40)
        assert time.monotonic() - back < 35
        await until(lambda: hears_all(operator, names))
        heard = {name: seen.heard[name] for name in names}
        assert heard == {name: ["True"] for name in names}, seen.why


async def hears_all(operator: Any, names: list[str]) -> bool:
    world = operator.world
    return not operator.judge.outage.withheld and not any(world.is_silent(name) for name in names)


async def test_many_nodes_silent_at_once_are_told_of_once_and_neither_they_nor_vms_are_rewritten(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    names = [f"silent-{number}" for number in range(4)]
    settings = {"outageNodes": 3, "expireSeconds": 20}
    async with witness(admin) as seen, operating(control_plane, admin, **settings) as operator:
        async with AsyncExitStack() as agents:
            for name in names:
                await agents.enter_async_context(
                    publishing(control_plane, admin, name, settings=TOGETHER)
                )
            for name in names:
                await becomes(admin, name, "True")
            await admin.create(VMWORKLOADS, dry_run("vm"), "default")
            await says(admin, "vm", "Scheduled", "Placed")

        async def is_told() -> bool:
            return len(await fleet_events(admin)) == 1 and bool(operator.judge.outage.withheld)

        await until(is_told)
        before = await status_of(admin, "vm")
        await asyncio.sleep(3)
        assert await status_of(admin, "vm") == before
        assert "NodeSilent" not in str(before)
        assert {name: seen.heard[name] for name in names} == {name: ["True"] for name in names}
        (event,) = await fleet_events(admin)
        assert (event["type"], event["count"]) == ("Warning", 1)
        assert "of 4 nodes fell silent at once" in event["message"]
        for name in names:
            assert (await becomes(admin, name, "Unknown", 30))["reason"] == "TruthExpired"
        await says(admin, "vm", "Ready", "NodeSilent")
        assert len(await fleet_events(admin)) == 1


async def fleet_events(admin: KubeClient) -> list[Object]:
    listed, _ = await admin.list(EVENTS, "schedune-system")
    return [one for one in listed if one["reason"] == "FleetSilent"]


async def test_a_fact_that_flips_wakes_who_waits_for_it_and_nobody_else(
    control_plane: ControlPlane, admin: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts decisions: heartbeats, new versions of truths and Leases cause none."""
    decided: list[str] = []
    place = Placer.place

    def counted(placer: Placer, intent: Intent, now: datetime) -> Any:
        decided.append(intent.name)
        return place(placer, intent, now)

    monkeypatch.setattr(Placer, "place", counted)
    no_kvm = [capability("kvm_vm_launch", "Unsupported")]
    async with (
        operating(control_plane, admin),
        publishing(control_plane, admin, "flips", capabilities=no_kvm) as agent,
    ):
        await becomes(admin, "flips", "True")
        huge = {"vcpus": 1, "memory": "900Gi"}
        await admin.create(VMWORKLOADS, dry_run("for-kvm"), "default")
        other = dry_run("for-memory", acceleration="Emulated", resources=huge)
        await admin.create(VMWORKLOADS, other, "default")
        await until(lambda: is_refused(admin, "for-kvm", "REJECT_MISSING_KVM"))
        await until(lambda: is_refused(admin, "for-memory", "REJECT_INSUFFICIENT_MEMORY"))
        await settled(decided)
        before = list(decided)
        agent.told.status["cpu"] = {"architecture": "amd64", "cores": 77}
        await asyncio.sleep(4)
        assert decided == before, "a fact that nobody waits for, and heartbeats, woke somebody"
        agent.told.status["capabilities"] = facts("flips")["capabilities"]
        took = await until(lambda: is_placed(admin, "for-kvm"))
        await asyncio.sleep(2)
        assert decided[len(before) :] == ["for-kvm"]
        assert took < 5


async def settled(decided: list[str]) -> None:
    """Return once nothing was decided for two seconds."""

    async def is_quiet() -> bool:
        count = len(decided)
        await asyncio.sleep(2)
        return len(decided) == count

    await until(is_quiet, 30)
