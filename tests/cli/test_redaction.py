"""A redacted snapshot: nothing of what is private is left, and the decision is the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_cli.problems import Place
from schedune_cli.reading.objects import Item
from schedune_cli.recording.pseudonyms import Pseudonyms
from schedune_cli.recording.recording import recording_of
from schedune_cli.recording.redaction import redact
from schedune_cli.recording.snapshot import objects_of, render_snapshot, snapshot_of
from schedune_testing.nodes import NOW
from schedune_testing.recordings import (
    Files,
    Object,
    document,
    lease,
    node,
    placed,
    run,
    snapshot,
    truth,
    workload,
)

NODES = ["acme-berlin-1", "acme-berlin-2"]
SECRETS = (
    "acme", "berlin", "hunter2", "ssh-ed25519", "10.1.2.3", "fd00:1:2:3::4", "customer", "secret",
    "52:54:00:aa:bb:cc", "kubectl-was-here", "SN-12345", "grep-me",
)  # fmt: skip
"""Nothing of this may be left anywhere."""


def private_fleet() -> list[Object]:
    """Return a snapshot's objects with something private in every place."""
    found: list[Object] = []
    for number, name in enumerate(NODES):
        machine = node(
            name, taints=[{"key": "customer/only", "value": "acme", "effect": "NoSchedule"}]
        )
        machine["metadata"]["labels"] |= {"customer/tier": f"secret-{number}", "rack": str(number)}
        machine["metadata"]["annotations"] = {"note": "grep-me"}
        machine["spec"]["providerID"] = "secret://berlin"
        machine["status"]["addresses"] = [{"type": "InternalIP", "address": "10.1.2.3"}]
        identity = {"nodeUID": f"uid-{name}".replace(name, f"n{number}"), "machineID": "SN-12345",
                    "bootID": "b", "agentVersion": "1"}  # fmt: skip
        machine["metadata"]["uid"] = identity["nodeUID"]
        facts = truth(
            name,
            labels={"customer/tier": "secret"},
            spec={"compatibilityClass": {"name": "Mine", "reason": "customer asked"}},
            identity=identity,
            os={"hostname": f"{name}.acme.example", "kernel": "6.1", "name": "Debian"},
            why=["grep-me"],
            orphans=[ORPHAN | {"message": f"seen on {name} at 10.1.2.3", "note": "grep-me"}],
        )
        facts["status"]["digest"] = f"sha256:{number}"
        facts["status"]["capabilities"][0]["message"] = f"{name} at 10.1.2.3, fd00:1:2:3::4 ran"
        beat = lease(name, digest=f"sha256:{number}")
        beat["spec"]["holderIdentity"] = "acme-agent"
        beat["metadata"]["annotations"]["last"] = "kubectl-was-here"
        found += [machine, facts, beat]
    return [*found, *private_workloads()]


ORPHAN = {
    "class": "leaked", "code": "ERR_ORPHAN_STALE_ARTIFACT_STATE", "pid": 7, "startTime": 70,
    "bootID": "b", "backend": "QEMU", "placementUID": "u", "claim": "1 vCPUs, 64Mi",
}  # fmt: skip
GUEST = {
    "hostname": "acme-db",
    "userData": {"inline": "password: hunter2"},
    "sshAuthorizedKeys": {"inline": ["ssh-ed25519 AAAA"]},
}


def private_workloads() -> list[Object]:
    tolerated = [{"key": "customer/only", "operator": "Equal", "value": "acme"}]
    affinity = {
        "required": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {
                            "key": "customer/tier",
                            "operator": "In",
                            "values": ["secret-1", "secret-2"],
                        },
                        {"key": "rack", "operator": "Gt", "values": ["0"]},
                    ]
                }
            ]
        }
    }
    network = {
        "name": "lan",
        "type": "Tap",
        "tap": {"bridge": "br0", "macAddress": "52:54:00:aa:bb:cc"},
    }
    asked = workload(
        "asked",
        guest=GUEST,
        networks=[network],
        boot={"kernel": {"artifact": "kernel"}, "commandLine": "token=hunter2"},
        placement={"tolerations": tolerated, "nodeAffinity": affinity},
    )
    asked["metadata"] |= {"annotations": {"a": "kubectl-was-here"}, "labels": {"customer": "acme"}}
    asked["status"] = {
        "addresses": ["10.1.2.3"],
        "why": ["acme-berlin-1"],
        "history": [
            {"attempt": 1, "nodeName": NODES[0], "placementUID": "p", "code": "GUEST_READY",
             "consoleTail": ["hunter2"], "exitReason": "secret"},
        ],
    }  # fmt: skip
    selector = {
        "tolerations": tolerated,
        "nodeSelector": {"customer/tier": "secret-0"},
        "antiAffinity": [
            {
                "topologyKey": "customer/tier",
                "workloadSelector": {"matchLabels": {"customer": "acme"}},
            }
        ],
    }
    runs, holds = placed("runs", NODES[1], placement=selector)
    runs["metadata"]["labels"] = {"customer": "acme"}
    holds["spec"]["launch"] |= {"commandLine": "token=hunter2", "guest": GUEST}
    holds["spec"]["nodeUID"] = "n1"
    holds["spec"]["evidence"]["machineID"] = "SN-12345"
    holds["status"] |= {
        "addresses": ["10.1.2.3"],
        "prepared": {"argv": ["hunter2"]},
        "lastExit": {"reason": "x", "consoleTail": ["hunter2"], "time": "2026-11-24T12:00:00Z"},
    }
    return [asked, runs, holds]


def items(objects: list[Object]) -> list[Item]:
    return [Item(raw, Place("x", number)) for number, raw in enumerate(objects)]


def redacted(objects: list[Object], key: str = "cluster") -> list[Object]:
    recording, problems = recording_of(items(objects), NOW)
    assert problems == []
    names = Pseudonyms(key, sorted(recording.nodes))
    return [redact(raw, names) for raw in objects_of(recording)]


def test_nothing_private_is_left() -> None:
    text = json.dumps(redacted(private_fleet())).lower()
    assert [one for one in SECRETS if one.lower() in text] == []


def test_every_secret_was_there_before() -> None:
    text = json.dumps(private_fleet()).lower()
    assert [one for one in SECRETS if one.lower() not in text] == []


def answers(told: Any, rename: dict[str, str]) -> Any:
    """Return what was decided, with names of nodes replaced."""
    return {
        one["metadata"]["name"]: (
            one["verdict"],
            rename.get(one["chosen"], one["chosen"]),
            sorted(
                (rename.get(node["nodeName"], node["nodeName"]), node.get("score"),
                 sorted(each["code"] for each in node["objections"]))
                for node in one["nodes"]
            ),
        )
        for one in told["items"]
    }  # fmt: skip


def test_the_decision_is_the_same(files: Files) -> None:
    files.write("open.yaml", snapshot(*private_fleet()))
    files.write("closed.yaml", snapshot(*redacted(private_fleet())))
    names = Pseudonyms("cluster", NODES)
    rename = {names.of(name): name for name in NODES}
    told, closed = (document("explain", "--truth", one) for one in ("open.yaml", "closed.yaml"))
    assert answers(closed, rename) == answers(told, {})
    assert {one["verdict"] for one in told["items"]} == {"Eligible", "NoEligibleNode"}
    assert (
        run("explain", "--truth", "closed.yaml").exit_code
        == run("explain", "--truth", "open.yaml").exit_code
    )


def test_two_snapshots_of_one_cluster_have_the_same_pseudonyms_and_of_two_not() -> None:
    fleet = private_fleet()
    assert redacted(fleet) == redacted(fleet)
    assert redacted(fleet)[0]["metadata"]["name"] != redacted(fleet, "other")[0]["metadata"]["name"]


def test_a_machine_is_known_by_one_pseudonym_wherever_it_is_named() -> None:
    told = redacted(private_fleet())
    (by_placement,) = [
        one["spec"]["evidence"]["machineID"] for one in told if one["kind"] == "VMPlacement"
    ]
    by_truths = {
        one["status"]["identity"]["machineID"] for one in told if one["kind"] == "NodeTruth"
    }
    assert by_truths == {by_placement}


@pytest.mark.parametrize(
    "key", ["schedune.io/pool", "demo.schedune.io/fleet", "kubernetes.io/arch"]
)
def test_labels_that_are_ours_stay(key: str) -> None:
    names = Pseudonyms("key", [])
    assert names.labels({key: "recorded"}) == {key: "recorded"}


@pytest.mark.parametrize("key", ["xschedune.io/pool", "schedune.io.evil/pool", "pool"])
def test_labels_that_only_look_like_ours_do_not(key: str) -> None:
    ((name, value),) = Pseudonyms("key", []).labels({key: "recorded"}).items()
    assert (name, value) != (key, value)
    assert value != "recorded"


def test_a_snapshot_is_read_back_as_it_was(files: Files) -> None:
    fleet = private_fleet()
    fleet[0]["metadata"]["managedFields"] = [
        {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z", "fieldsV1": {"f:x": {}}},
        {"manager": "kubectl", "time": "2026-11-24T12:00:00Z"},
    ]
    recording, _ = recording_of(items(fleet), NOW)
    taken = snapshot_of([*objects_of(recording)], NOW)
    for name, as_json in (("fleet.yaml", False), ("fleet.json", True)):
        files.text(name, render_snapshot(taken, as_json=as_json))
    assert yaml.safe_load(Path("fleet.yaml").read_text()) == json.loads(
        Path("fleet.json").read_text()
    )
    by_yaml, by_json = (
        document("explain", "--truth", one)["items"] for one in ("fleet.yaml", "fleet.json")
    )
    for one in (*by_yaml, *by_json):
        del one["position"]
        for count in one["codes"]:
            del count["position"]
        for refusal in one["refusals"]:
            del refusal["position"]
    assert by_yaml == by_json
    assert taken["items"][0]["metadata"]["managedFields"] == [
        {"manager": "schedune-agent", "time": "2026-11-24T12:00:00Z"}
    ]
