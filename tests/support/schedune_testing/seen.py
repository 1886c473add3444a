"""A world that somebody looks at: the operator's own mirrors, filled without an API server."""

import copy
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.api.vmworkload import VMWorkloadStatus
from schedune.codes import summary
from schedune.decision.decide import decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline
from schedune.decision.why import why_lines
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune.lifecycle.situation import Claim, Situation
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.serving import ListenSettings
from schedune_operator.cache import WorkloadCache
from schedune_operator.freshness import Heartbeat
from schedune_operator.seen.page.application import fleet_page
from schedune_operator.seen.reading import Reading
from schedune_operator.status import Answer, render_status
from schedune_operator.world import World
from schedune_testing.nodes import NOW
from schedune_testing.recordings import ROOT, Object, node, placement, workload

FLEET = ("arm-01", "arm-02", "edge-01", "x86-02")


def world_of(
    nodes: Sequence[Object], workloads: Sequence[Object] = (), *, leading: bool = True,
    now: datetime = NOW, silent: Sequence[str] = (), placements: Sequence[Object] = (),
) -> Reading:  # fmt: skip
    """Return what is read of a world of Nodes with their NodeTruths, one after the other."""
    client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
    cache = WorkloadCache()
    world = World(client, lambda: None, cache.peer_of, lambda: now)
    mirrors = {"Node": world.nodes, "NodeTruth": world.truths}
    for number, raw in enumerate([*nodes, *placements], start=1):
        raw["metadata"]["resourceVersion"] = str(number)
        raw["metadata"].setdefault("uid", f"uid-{raw['metadata']['name']}")
        mirrors.get(raw["kind"], world.placements).absorb(raw)
        name = raw["metadata"]["name"]
        if raw["kind"] == "NodeTruth" and name not in silent:
            seen, digest = time.monotonic(), raw["status"]["digest"]
            world.heartbeats._known[name] = Heartbeat(number, seen, digest, 180, None, 0)
        if raw["kind"] == "VMPlacement":
            world.note_placement((raw["metadata"]["namespace"], name))
        else:
            world._note_node(("", name), raw)
    for number, raw in enumerate(workloads, start=1):
        raw["metadata"] = {"uid": f"w-{number}", "generation": 1, **raw["metadata"]}
        raw["metadata"]["resourceVersion"] = str(number)
        cache.note("ADDED", raw)
    world.fleet()
    return Reading(world, cache, lambda: leading, lambda: now, DEFAULT_POLICY, 900)


@asynccontextmanager
async def shown(
    reading: Reading, where: ListenSettings | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the fleet page as the operator does, on some port, and give who asks there."""
    client = KubeClient(Credentials("https://127.0.0.1:1"), field_manager="test")
    page = fleet_page(reading, where or ListenSettings(port=1), client)
    runner = web.AppRunner(page, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with client, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
    finally:
        await runner.cleanup()


def decided(reading: Reading, raw: Object, *, stalled: bool = False) -> None:
    """Write on a workload without a node what the operator would."""
    parsed = read_workload(raw)
    assert not isinstance(parsed, tuple), parsed
    intent = parse_intent(parsed)
    assert isinstance(intent, Intent), intent
    decision = decide(reading.fleet(), intent, now=reading.clock(), policy=reading.policy)
    explanation = Explanation(decision)
    claim = Claim("False", summary.NO_ELIGIBLE_NODE, headline(explanation))
    told = why_lines(explanation)
    situation = Situation(ready=claim, scheduled=claim, stalled=stalled, why=told)
    answer = Answer(situation, evaluation_of(explanation))
    raw["status"] = render_status(answer, VMWorkloadStatus(), 1, reading.clock())
    changed(reading, raw)


def changed(reading: Reading, raw: Object) -> None:
    """Bring the news that a workload is what it is now: a newer version of it."""
    raw["metadata"]["resourceVersion"] = str(int(raw["metadata"]["resourceVersion"]) + 1)
    reading.cache.note("MODIFIED", raw)


@cache
def _recorded(name: str) -> Object:
    found: Object = yaml.safe_load((ROOT / f"examples/fleet/{name}.yaml").read_text())
    return found


def recorded_nodes(count: int) -> list[Object]:
    """Return Nodes with the truths of the recorded fleet, again and again under other names."""
    found: list[Object] = []
    for number in range(count):
        source = FLEET[number % len(FLEET)]
        name = f"{source}-{number // len(FLEET) + 1}"
        told = copy.deepcopy(_recorded(source))
        told["metadata"] = {"name": name}
        told["status"] |= {"digest": f"sha256:{name}", "observedTime": "2026-11-24T11:59:00Z"}
        told["status"]["identity"] = {
            "nodeUID": f"uid-{name}", "machineID": f"m-{name}", "bootID": "b", "agentVersion": "1",
        }  # fmt: skip
        there = node(name)
        there["metadata"]["labels"] |= {"demo.schedune.io/fleet": "recorded"}
        found += [there, told]
    return found


def settled(name: str, node_name: str, **spec: Any) -> tuple[Object, Object]:
    """Return a workload that runs on a node, and its placement."""
    raw, bound = workload(name, **spec), placement(name, node_name)
    ready = Claim("True", summary.RUNNING, f"the guest answered on {node_name}")
    placed = Claim("True", summary.PLACED, f"{node_name} chosen")
    situation = Situation(ready=ready, scheduled=placed, launched=ready, settled=True)
    status = render_status(Answer(situation), VMWorkloadStatus(), 1, NOW)
    uid = bound["metadata"]["uid"]
    raw["status"] = status | {"placementUID": uid, "nodeName": node_name}
    return raw, bound
