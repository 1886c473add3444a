"""What everybody may do, and does, under the policies; what they may not is test_isolation.py."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schedune.api.vmplacement import FINALIZER
from schedune_testing.control_plane import OPERATOR, ControlPlane
from schedune_testing.manifests import placement
from schedune_testing.speaking import Speaker, ask_token, make_node, make_pod
from schedune_testing.two_nodes import (
    LEASES_HERE,
    OWN,
    PLACEMENTS,
    TRUTHS,
    TwoNodes,
    condition,
    heartbeat,
)
from schedune_testing.waiting import until

Object = dict[str, Any]
ENDED = {"status": {"ended": {"time": "2026-11-24T12:00:00Z", "reason": "HostStopped"}}}


@pytest.fixture(scope="module")
def newborn(nodes: TwoNodes) -> Iterator[tuple[str, str, Speaker]]:
    """Bring in a node of which nobody has told yet: its name, its UID, its agent."""
    name = "node-f"
    uid = make_node(nodes.admin, name)["metadata"]["uid"]
    pod = make_pod(nodes.admin, name, f"agent-{name}")
    speaker = Speaker(nodes.admin.control_plane, ask_token(nodes.admin, pod))
    yield name, uid, speaker
    speaker.close()


def test_an_agent_makes_and_tells_the_truth_of_its_own_node(
    nodes: TwoNodes, newborn: tuple[str, str, Speaker]
) -> None:
    name, uid, agent = newborn
    agent.must("POST", TRUTHS, nodes.truth(name, uid))
    applied = agent.apply(f"{TRUTHS}/{name}/status", nodes.told(name, uid))
    assert applied.accepted, applied.message
    assert applied.body["status"]["identity"]["nodeUID"] == uid
    assert agent.must("GET", f"{TRUTHS}/{name}")["status"]["digest"] == f"sha256:{name}"


def test_an_agent_makes_and_renews_its_own_heartbeat(
    newborn: tuple[str, str, Speaker],
) -> None:
    name, _, agent = newborn
    agent.must("POST", LEASES_HERE, heartbeat(name))
    renewed = agent.merge(f"{LEASES_HERE}/{name}", {"spec": {"holderIdentity": "again"}})
    assert renewed.accepted, renewed.message


def test_an_agent_reads_its_own_node(newborn: tuple[str, str, Speaker]) -> None:
    name, uid, agent = newborn
    assert agent.must("GET", f"/api/v1/nodes/{name}")["metadata"]["uid"] == uid


def test_an_agent_finds_its_own_placements_by_the_name_of_its_node(nodes: TwoNodes) -> None:
    everywhere = "/apis/schedune.io/v1alpha1/vmplacements"
    found = nodes.agent.must("GET", f"{everywhere}?fieldSelector=spec.nodeName={OWN}")["items"]
    assert {one["spec"]["nodeName"] for one in found} == {OWN}
    assert "mine" in {one["metadata"]["name"] for one in found}


def test_an_agent_ends_a_deleted_placement_and_lets_go_of_it(nodes: TwoNodes) -> None:
    nodes.place("served")
    path = f"{PLACEMENTS}/served"
    release = {"metadata": {"finalizers": ["x.io/y"]}}
    assert nodes.agent.merge(f"{path}/status", {"status": {"state": "Running"}}).accepted
    nodes.operator.must("DELETE", path)
    assert not nodes.agent.merge(path, release).accepted
    assert nodes.agent.merge(f"{path}/status", ENDED).accepted
    released = nodes.agent.merge(path, release)
    assert released.accepted, released.message
    assert nodes.admin.merge(path, {"metadata": {"finalizers": None}}).accepted
    assert nodes.admin.ask("GET", path).status == 404


def test_what_an_agent_sends_beside_the_facts_is_not_taken(nodes: TwoNodes) -> None:
    before = nodes.admin.must("GET", f"{TRUTHS}/{OWN}")
    sent = nodes.told(OWN)
    sent["metadata"] |= {"labels": {"zone": "b"}, "ownerReferences": [], "finalizers": ["x.io/y"]}
    sent["spec"] = {"scheduling": "Cordoned"}
    nodes.agent.apply(f"{TRUTHS}/{OWN}/status", sent)
    after = nodes.admin.must("GET", f"{TRUTHS}/{OWN}")
    for kept in ("labels", "ownerReferences", "finalizers"):
        assert after["metadata"].get(kept) == before["metadata"].get(kept)
    assert after["spec"] == before["spec"]


def judgement(name: str, status: str) -> Object:
    conditions = [condition("Fresh", status), condition("Ready", status)]
    return {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "NodeTruth",
        "metadata": {"name": name},
        "status": {"conditions": conditions},
    }


def largest(nodes: TwoNodes) -> Object:
    """Return facts as large as they may be: about 32 KiB."""
    one = nodes.told(OWN)["status"]
    artifacts = [
        {**one["artifacts"][0], "name": f"kernel-{n}", "sha256": "a" * 64} for n in range(64)
    ]
    capabilities = [
        {**one["capabilities"][0], "name": f"capability_{n}", "message": "x" * 200}
        for n in range(64)
    ]
    return nodes.told(OWN, artifacts=artifacts, capabilities=capabilities)


def test_agent_and_operator_tell_their_own_parts_of_one_truth_however_large(
    nodes: TwoNodes,
) -> None:
    """The policies compare the whole of it: their budget must hold that."""
    told = largest(nodes)
    assert len(json.dumps(told["status"])) > 30 * 1024
    for status in ("True", "False", "True"):
        judged = nodes.operator.apply(
            f"{TRUTHS}/{OWN}/status", judgement(OWN, status), "schedune-operator"
        )
        assert judged.accepted, judged.message
        told["status"]["digest"] = f"sha256:{status}"
        applied = nodes.agent.apply(f"{TRUTHS}/{OWN}/status", told)
        assert applied.accepted, applied.message
    kinds = {one["type"]: one["status"] for one in applied.body["status"]["conditions"]}
    assert kinds == {"Fresh": "True", "Ready": "True", "KVMUsable": "True"}
    forged = {**judgement(OWN, "True"), "status": {"digest": "sha256:x"}}
    assert nodes.operator.apply(f"{TRUTHS}/{OWN}/status", forged).status == 403


def test_an_agent_takes_away_no_judgement_by_the_name_of_the_operators_manager(
    nodes: TwoNodes,
) -> None:
    path = f"{TRUTHS}/{OWN}/status"
    assert nodes.operator.apply(path, judgement(OWN, "False"), "schedune-operator").accepted
    told = nodes.told(OWN)
    told["status"] = {"identity": told["status"]["identity"]}
    answer = nodes.agent.apply(path, told, "schedune-operator")
    assert answer.status == 403
    assert "may not write the conditions Fresh and Ready" in answer.message


def test_the_operator_judges_a_truth_that_has_no_facts_yet(nodes: TwoNodes) -> None:
    name = "node-g"
    nodes.admin.make(TRUTHS, {**nodes.truth(name), "metadata": {"name": name}})
    judged = nodes.operator.apply(
        f"{TRUTHS}/{name}/status", judgement(name, "False"), "schedune-operator"
    )
    assert judged.accepted, judged.message


def test_an_administrator_declares_what_a_node_offers_before_its_agent_comes(
    nodes: TwoNodes,
) -> None:
    name = "node-h"
    uid = make_node(nodes.admin, name)["metadata"]["uid"]
    declared = {"capacity": {"vcpus": 8, "memory": "16Gi"}}
    body = {**nodes.truth(name), "metadata": {"name": name}, "spec": declared}
    nodes.admin.make(TRUTHS, body)
    pod = make_pod(nodes.admin, name, f"agent-{name}")
    agent = Speaker(nodes.admin.control_plane, ask_token(nodes.admin, pod))
    applied = agent.apply(f"{TRUTHS}/{name}/status", nodes.told(name, uid))
    agent.close()
    assert applied.accepted, applied.message
    assert applied.body["spec"]["capacity"]["vcpus"] == 8
    assert nodes.admin.merge(f"{TRUTHS}/{name}", {"spec": {"scheduling": "Draining"}}).accepted


def test_an_administrator_deletes_placements_heartbeats_and_what_holds_them(
    nodes: TwoNodes, newborn: tuple[str, str, Speaker]
) -> None:
    nodes.place("unwanted")
    path = f"{PLACEMENTS}/unwanted"
    nodes.admin.must("DELETE", path)
    assert nodes.admin.must("GET", path)["metadata"]["deletionTimestamp"]
    assert nodes.admin.merge(path, {"metadata": {"finalizers": None}}).accepted
    assert nodes.admin.ask("GET", path).status == 404
    assert nodes.admin.ask("DELETE", f"{LEASES_HERE}/{newborn[0]}").status in (200, 404)


def test_a_truth_goes_with_its_node(nodes: TwoNodes) -> None:
    """The garbage collector is not held up by the policies."""
    name = "node-i"
    uid = make_node(nodes.admin, name)["metadata"]["uid"]
    pod = make_pod(nodes.admin, name, f"agent-{name}")
    agent = Speaker(nodes.admin.control_plane, ask_token(nodes.admin, pod))
    agent.must("POST", TRUTHS, nodes.truth(name, uid))
    agent.close()
    nodes.admin.must("DELETE", f"/api/v1/nodes/{name}")
    until(lambda: nodes.admin.ask("GET", f"{TRUTHS}/{name}").status == 404)


@pytest.mark.parametrize(
    "user", [None, "system:serviceaccount:schedune-agents:schedune-agent", "somebody"]
)
def test_nobody_but_the_operator_makes_placements(
    control_plane: ControlPlane, user: str | None
) -> None:
    body = placement()
    body["metadata"] |= {"name": "forged", "namespace": "default"}
    assert control_plane.post(body, user=user).status == 403
    assert control_plane.post(body, user=OPERATOR).accepted


def test_the_operator_makes_stops_and_deletes_placements(nodes: TwoNodes) -> None:
    nodes.place("ordered")
    path = f"{PLACEMENTS}/ordered"
    assert FINALIZER in nodes.operator.must("GET", path)["metadata"]["finalizers"]
    stop = {"spec": {"stop": {"reason": "Stopped", "graceSeconds": 1}}}
    stopped = nodes.operator.merge(path, stop)
    assert stopped.accepted, stopped.message
    nodes.operator.must("DELETE", path)


def test_a_status_is_kept_from_a_successor_of_the_name_by_its_version_not_by_a_uid(
    nodes: TwoNodes,
) -> None:
    told = {"status": {"observedGeneration": 7}}
    path = f"{PLACEMENTS}/mine/status"
    assert nodes.agent.merge(path, {"metadata": {"uid": "of-another"}, **told}).accepted
    assert nodes.agent.merge(path, {"metadata": {"resourceVersion": "1"}, **told}).status == 409
