"""Whatever a decision reads is left in a redacted snapshot: the answers are the same."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.machine import TapNetwork
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
    run,
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


TAP = {"name": "lan", "type": "Tap", "tap": {"bridge": "br0", "macAddress": "52:54:00:aa:bb:cc"}}
KERNEL = {"artifact": "kernel"}
SECRET = {"name": "acme", "key": "keys"}


def edited(before: Object, after: Object) -> Callable[[], list[Object]]:
    """Return what ended, and has or has not been edited since: if so, it waits for a node."""

    def build() -> list[Object]:
        found, bound = ended("done", NODES[0], **before)
        found["spec"] |= after
        return [*whole(*NODES), found, bound]

    return build


def guest(**fields: Object) -> Object:
    return {"guest": fields}


EDITS: dict[str, tuple[Object, Object]] = {
    "command line": tuple(
        {"boot": {"kernel": KERNEL, "commandLine": text}} for text in ("a=acme", "a=berlin")
    ),
    "user data": tuple(guest(userData={"inline": text}) for text in ("acme", "berlin")),
    "key": tuple(guest(sshAuthorizedKeys={"inline": ["ssh-rsa", text]}) for text in "ab"),
    "number of keys": tuple(guest(sshAuthorizedKeys={"inline": ["a"] * many}) for many in (1, 2)),
    "Secret": tuple(guest(userData={"secretRef": SECRET | {"name": text}}) for text in "ab"),
    "from a Secret": (
        guest(sshAuthorizedKeys={"inline": ["acme"]}),
        guest(sshAuthorizedKeys={"secretRef": SECRET}),
    ),
    "address": tuple(
        {"networks": [TAP | {"tap": {"bridge": "br0", "macAddress": text}}]}
        for text in ("52:54:00:aa:bb:cc", "52:54:00:aa:bb:cd")
    ),
    "address named": (
        {"networks": [TAP | {"tap": {"bridge": "br0"}}]}, {"networks": [TAP]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_what_is_hidden_is_seen_to_be_one(files: Files, edit: str) -> None:
    before, after = EDITS[edit]
    for name, spec in (("same.yaml", before), ("other.yaml", after)):
        files.write(name, snapshot(*redacted(edited(before, spec)())))
    waits = [
        [one["name"] for one in document("simulate", "--truth", name)["fates"]]
        for name in ("same.yaml", "other.yaml")
    ]
    assert waits == [[], ["done"]]


def test_what_is_refused_of_a_guest_is_refused_of_what_stands_for_it(files: Files) -> None:
    keys = guest(sshAuthorizedKeys={"inline": ["ssh-rsa", "two\nlines"]})
    files.write("closed.yaml", snapshot(*redacted([*whole(*NODES), workload("vm", **keys)])))
    told = run("explain", "--truth", "closed.yaml")
    assert told.exit_code == 2
    assert "spec.guest.sshAuthorizedKeys.inline" in told.stderr


@given(st.text(min_size=1))
def test_what_stands_for_a_card_is_an_address_that_a_card_may_have(text: str) -> None:
    address = NAMES.card(text)
    assert TapNetwork.model_validate({"bridge": "br0", "macAddress": address}).mac_address
    assert int(address[:2], 16) & 3 == 2


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


# --- what runs without a placement ---------------------------------------------------------

ORPHAN = {
    "class": "leaked", "code": "ERR_ORPHAN_STALE_ARTIFACT_STATE", "pid": 7, "startTime": 70,
    "bootID": "b", "backend": "QEMU", "placementUID": "u", "claim": "1 vCPUs, 64Mi",
    "message": "QEMU with pid 7 carries our marker",
}  # fmt: skip
ORDER = {"pid": 5, "startTime": 50, "bootID": "b", "action": "Terminate"}


def with_orphans(**status: Any) -> list[Object]:
    (node, truth, lease) = whole(NODES[0])
    truth["status"] |= status
    truth["spec"]["orphanActions"] = [ORDER]
    return [node, truth, lease]


@pytest.mark.parametrize(
    "status",
    [
        {"orphans": [ORPHAN]},
        {"orphans": [ORPHAN | {"class": "unmanaged"}]},
        {"orphans": [ORPHAN, ORPHAN | {"pid": 5, "startTime": 50}], "orphansTruncated": 3},
        {"orphanOrders": [{**ORDER, "code": "ERR_ORPHAN_NOT_ENDED", "message": "it lives on"}]},
        {"orphans": [{"class": "residue", "placementUID": "u", "message": "what was left"}]},
    ],
)
@pytest.mark.parametrize("command", [("orphans",), ("uninstall", "--check")])
def test_what_runs_without_a_placement_is_told_by_a_redacted_fleet_too(
    files: Files, command: tuple[str, ...], status: Object
) -> None:
    fleet = with_orphans(**status)
    files.write("open.yaml", snapshot(*fleet))
    files.write("closed.yaml", snapshot(*redacted(fleet)))
    told, closed = (run(*command, "--truth", f"{one}.yaml") for one in ("open", "closed"))
    assert closed.exit_code == told.exit_code
    assert words(closed.stdout.replace(NAMES.of(NODES[0]), NODES[0])) == words(told.stdout)


def words(text: str) -> list[str]:
    return text.split()


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
