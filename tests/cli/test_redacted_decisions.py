"""Whatever a decision reads is left in a redacted snapshot: the answers are the same."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from schedune.api.policy import PlacementPolicy
from schedune.codes import execution
from schedune.lifecycle.changes import required_digest
from schedune_cli.problems import Place
from schedune_cli.reading.objects import Item
from schedune_cli.recording.pseudonyms import Pseudonyms
from schedune_cli.recording.recording import recording_of
from schedune_cli.recording.redaction import concerned, redact
from schedune_cli.recording.snapshot import objects_of
from schedune_testing.nodes import NOW
from schedune_testing.recordings import (
    TIME,
    Files,
    Object,
    document,
    ended,
    placed,
    snapshot,
    whole,
    workload,
)

NODES = ("acme-1", "acme-2")
NAMES = Pseudonyms("uid", list(NODES))
"""In the order of the names themselves: of equal nodes the first by name is chosen."""
PERSISTENT = {
    "name": "root", "source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Persistent",
}  # fmt: skip
GUEST = {"guest": {"userData": {"inline": "secret"}, "hostname": "acme-db"}}


def redacted(objects: list[Object]) -> list[Object]:
    items = [Item(raw, Place("x", number)) for number, raw in enumerate(deepcopy(objects))]
    recording, problems = recording_of(items, NOW)
    assert problems == []
    return [redact(raw, NAMES) for raw in concerned([*objects_of(recording)])]


def answers(path: str, rename: dict[str, str]) -> Any:
    """Return what is decided of each workload, and what would become of all without a node."""
    told = document("explain", "--truth", path)["items"]
    shut = document("simulate", "--truth", path, "--cordon", named(rename, NODES[1]))
    return (
        {one["metadata"]["name"]: decided(one, rename) for one in told},
        {
            one["name"]: (one["outcome"], rename.get(one["after"], one["after"]))
            for one in shut["fates"]
        },
    )


def named(rename: dict[str, str], node: str) -> str:
    return next((told for told, real in rename.items() if real == node), node)


def decided(one: Any, rename: dict[str, str]) -> Any:
    nodes = sorted(
        (rename.get(node["nodeName"], node["nodeName"]), node["backend"], node.get("score", 0),
         sorted(each["code"] for each in node["objections"]))
        for node in one["nodes"]
    )  # fmt: skip
    return one["verdict"], rename.get(one["chosen"], one["chosen"]), nodes


# --- fleets, and what a decision reads of them ---------------------------------------------


def failed(generation: int, code: str, digest: str) -> Object:
    attempt = {
        "attempt": 1, "backend": "QEMU", "code": code, "endTime": "2026-11-24T11:59:55Z",
        "generation": generation, "nodeName": NODES[0], "placementUID": "p-1",
        "truthDigest": digest,
    }  # fmt: skip
    found = workload("vm", backend={"preference": ["QEMU", "CloudHypervisor"]})
    found["metadata"] |= {"uid": "w-vm", "generation": 5}
    found["status"] = {"history": [attempt]}
    return found


def failed_before_a_change() -> list[Object]:
    return [*whole(*NODES), failed(4, execution.SPAWN_FAILED.code, "sha256:a")]


def failed_with_the_same_facts() -> list[Object]:
    found = failed(5, execution.SPAWN_FAILED.code, "sha256:acme-1")
    found["status"]["history"][0]["endTime"] = "2026-11-24T10:00:00Z"
    return [*whole(*NODES), found]


def compared(operator: str, limit: str, value: str) -> Callable[[], list[Object]]:
    def build() -> list[Object]:
        nodes = whole(*NODES)
        nodes[0]["metadata"]["labels"]["acme/generation"] = value
        expression = {"key": "acme/generation", "operator": operator, "values": [limit]}
        term = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        return [*nodes, workload("vm", placement={"nodeAffinity": {"required": term}})]

    return build


def of_a_namespace_made_anew() -> list[Object]:
    nodes = whole(*NODES)
    for one in nodes:
        if one["kind"] == "NodeTruth":
            one["status"]["capacity"]["disk"] = "100Gi"
    nodes[1]["status"]["persistentDisks"] = [
        {"namespace": "default", "namespaceUID": "old", "workload": "vm", "disk": "root",
         "sizeBytes": 2**30}
    ]  # fmt: skip
    nodes[0]["spec"]["unschedulable"] = True
    return [*nodes, namespace("new"), workload("vm", disks=[PERSISTENT])]


def namespace(uid: str, **annotations: str) -> Object:
    metadata: Object = {"name": "default", "uid": uid}
    if annotations:
        metadata["annotations"] = {f"schedune.io/{key}": one for key, one in annotations.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def with_a_quota() -> list[Object]:
    limit = namespace("new", **{"max-vcpus": "3"})
    return [*whole(*NODES), limit, *placed("runs", NODES[0]), workload("vm")]


def that_need_no_node() -> list[Object]:
    gone = workload("gone")
    gone["metadata"] |= {"uid": "w-gone", "deletionTimestamp": TIME}
    done = ended("done", NODES[0], **GUEST)
    return [*whole(*NODES), gone, *done, workload("off", runState="Stopped")]


def that_were_refused_by_the_agent() -> list[Object]:
    found, bound = ended("full", NODES[0], **GUEST)
    refusal = {"code": "REFUSED_LEDGER_FULL", "observed": "1Gi", "required": "4Gi"}
    bound["status"]["refusal"] = refusal
    return [*whole(*NODES), found, bound]


def demanding(label: str) -> Callable[[], list[Object]]:
    """Return what ended and was edited since, where it may have demanded another label."""

    def build() -> list[Object]:
        found, bound = ended("done", NODES[0], placement={"nodeSelector": {"acme/row": label}})
        policy = PlacementPolicy.model_validate({"nodeSelector": {"acme/row": "berlin"}})
        bound["spec"]["evidence"]["placementDigest"] = required_digest(policy)
        found["metadata"]["generation"] = 2
        return [*whole(*NODES), found, bound]

    return build


@pytest.mark.parametrize(
    "fleet",
    [
        failed_before_a_change,
        failed_with_the_same_facts,
        compared("Gt", "-1", "5"),
        compared("Lt", "12345678901", "12345678900"),
        compared("Gt", "12345678901", "9"),
        of_a_namespace_made_anew,
        with_a_quota,
        that_need_no_node,
        that_were_refused_by_the_agent,
        demanding("berlin"),
        demanding("hamburg"),
    ],
)
def test_a_redacted_fleet_is_answered_as_the_fleet_itself(
    files: Files, fleet: Callable[[], list[Object]]
) -> None:
    files.write("open.yaml", snapshot(*fleet()))
    files.write("closed.yaml", snapshot(*redacted(fleet())))
    rename = {NAMES.of(name): name for name in NODES}
    assert answers("closed.yaml", rename) == answers("open.yaml", {})


def test_namespaces_that_no_vm_is_in_are_not_named() -> None:
    others = [namespace("1"), namespace("2"), namespace("3", **{"max-vcpus": "1"})]
    for one, name in zip(others, ("used", "acme-plans", "limited"), strict=True):
        one["metadata"]["name"] = name
    kept = redacted([*whole(NODES[0]), *others, workload("vm", "used")])
    assert [one["metadata"]["name"] for one in kept if one["kind"] == "Namespace"] == [
        "limited", "used",
    ]  # fmt: skip


def test_what_keys_the_pseudonyms_is_nowhere_among_them() -> None:
    key, limit = "uid-of-kube-system", namespace("uid-of-kube-system", **{"max-vcpus": "9"})
    (node, truth, lease), (found, bound) = whole(NODES[0]), placed("vm", NODES[0])
    bound["spec"]["workload"]["namespaceUID"] = key
    truth["status"]["persistentDisks"] = [
        {"namespace": "default", "namespaceUID": key, "workload": "vm", "disk": "root",
         "sizeBytes": 2**30}
    ]  # fmt: skip
    assert key not in str(redacted([node, truth, lease, limit, found, bound]))


def test_a_digest_of_demands_does_not_tell_labels_to_who_tries_them() -> None:
    for label in ("berlin", "hamburg"):
        *_, bound = demanding(label)()
        digest = bound["spec"]["evidence"]["placementDigest"]
        assert digest not in str(redacted(demanding(label)()))
