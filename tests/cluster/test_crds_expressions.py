"""The real API server runs every CEL expression of our definitions."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune.api.scheduling_policy import DEFAULT_POLICY
from schedune.api.vmplacement import BINDING
from schedune.api.vmworkload import Backend
from schedune_testing.control_plane import OPERATOR, ControlPlane
from schedune_testing.manifests import full_workloads, minimal_workload, placement
from schedune_testing.schema_rules import locate, value_at, walk

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]
Change = Callable[[Object], None]


def expressions(plural: str) -> set[tuple[str, str]]:
    """Return (place, message) of every expression in a kind's spec."""
    definition = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return {
        (".".join(path), one["message"])
        for path, node in walk(schema["properties"]["spec"], ("spec",))
        for one in node.get("x-kubernetes-validations", [])
    }


def without(*names: str) -> Change:
    """Remove fields."""

    def change(node: Object) -> None:
        for name in names:
            node.pop(name, None)

    return change


def having(**values: object) -> Change:
    """Set fields."""
    return lambda node: node.update(values)


def firmware_instead_of(*names: str) -> Change:
    """Put firmware in the place of fields."""

    def change(node: Object) -> None:
        without(*names)(node)
        node["firmware"] = {"artifact": "ovmf"}

    return change


SECRET = {"name": "guest", "key": "data"}
ONE_SECRET = "must have exactly one of `inline`, `secretRef`"
ONE_BOOT = "must have exactly one of `kernel`, `firmware`"
ONE_SOURCE = "must have exactly one of `artifact`, `hostPath`, `empty`"
ONE_VERSION = "must have exactly one of `minimum`, `exact`"
AT_CREATION: dict[tuple[str, str], tuple[Change, ...]] = {
    ("spec.boot", ONE_BOOT): (
        without("kernel", "initrd", "commandLine"),
        having(firmware={"artifact": "ovmf"}),
    ),
    ("spec.boot", "`initrd` needs `kernel`"): (firmware_instead_of("kernel", "commandLine"),),
    ("spec.boot", "`commandLine` needs `kernel`"): (firmware_instead_of("kernel", "initrd"),),
    ("spec.disks.[]", "`retention` 'Delete' is for Persistent disks only"): (
        having(retention="Delete", access="ReadOnly"),
        having(retention="Delete", access="Ephemeral"),
    ),
    ("spec.disks.[]", "an `empty` disk must not be 'ReadOnly': there is nothing to read"): (
        having(source={"empty": {"size": "1Gi"}}, access="ReadOnly"),
    ),
    ("spec.disks.[].source", ONE_SOURCE): (
        without("artifact"),
        having(hostPath="/x"),
        having(empty={"size": "1Gi"}),
    ),
    ("spec.networks.[]", "`tap` goes with type 'Tap', and only with it"): (
        without("tap"),
        having(type="User"),
    ),
    ("spec.networks.[]", "`user` goes with type 'User'"): (having(user={}),),
    ("spec.readiness.probe", "`port` is for type TCP, which needs it"): (
        without("port"),
        having(type="VirtioSerial"),
    ),
    ("spec.readiness.probe", "`marker` is for type Console, which needs it"): (
        having(type="Console"),
        having(marker="login:"),
    ),
    ("spec.guest.userData", ONE_SECRET): (without("inline"), having(secretRef=SECRET)),
    ("spec.guest.sshAuthorizedKeys", ONE_SECRET): (without("inline"), having(secretRef=SECRET)),
    ("spec.backend.versions.[]", ONE_VERSION): (without("minimum"), having(exact="8.2")),
}
"""Changes of a good manifest, each of which alone the expression must refuse."""
AT_UPDATE: dict[tuple[str, str], tuple[Object, Object]] = {
    ("spec", "`runtimeClass` is immutable"): (
        {"runtimeClass": "VirtualMachine"},
        {"runtimeClass": "MicroVM"},
    ),
    ("spec", "`launchMode` may not go back from 'Execute'"): (
        {"launchMode": "Execute"},
        {"launchMode": "DryRun"},
    ),
}
"""What is stored, and the change that must be refused."""
CASES = [
    pytest.param(key, change, id=f"{key[0]}:{key[1]}:{number}")
    for key, changes in AT_CREATION.items()
    for number, change in enumerate(changes)
]


def test_every_expression_of_a_workload_has_a_case() -> None:
    assert expressions("vmworkloads") == {*AT_CREATION, *AT_UPDATE}


@pytest.mark.parametrize(("key", "change"), CASES)
def test_a_broken_expression_is_refused_with_its_place_and_message(
    control_plane: ControlPlane, key: tuple[str, str], change: Change
) -> None:
    manifest, place = locate(full_workloads(), tuple(key[0].split(".")))
    change(value_at(manifest, place))
    answer = control_plane.post(manifest)
    assert not answer.accepted
    assert key[1] in answer.message
    assert key[0].split(".[]")[0] in answer.message


@pytest.mark.parametrize("key", AT_UPDATE, ids=lambda key: key[1])
def test_what_was_decided_cannot_be_taken_back(
    control_plane: ControlPlane, key: tuple[str, str]
) -> None:
    before, after = AT_UPDATE[key]
    manifest = minimal_workload("changing")
    manifest["spec"] |= before
    stored = control_plane.post(manifest, dry_run=False)
    assert stored.accepted, stored.message
    try:
        changed = deepcopy(stored.body)
        changed["spec"] |= after
        answer = control_plane.put(changed)
        assert not answer.accepted
        assert key[1] in answer.message
    finally:
        assert control_plane.delete(manifest).accepted


def test_a_dry_run_may_become_an_execution(control_plane: ControlPlane) -> None:
    manifest = minimal_workload("going-ahead")
    manifest["spec"]["launchMode"] = "DryRun"
    stored = control_plane.post(manifest, dry_run=False)
    try:
        stored.body["spec"]["launchMode"] = "Execute"
        assert control_plane.put(stored.body).accepted
    finally:
        assert control_plane.delete(manifest).accepted


@pytest.fixture
def placed(control_plane: ControlPlane) -> Iterator[Object]:
    manifest = placement()
    stored = control_plane.post(manifest, dry_run=False, user=OPERATOR)
    assert stored.accepted, stored.message
    yield stored.body
    assert control_plane.delete(manifest).accepted


@pytest.mark.parametrize("field", BINDING)
def test_a_placement_cannot_be_changed(
    control_plane: ControlPlane, placed: Object, field: str
) -> None:
    other = placement(other=True)
    assert other["spec"][field] != placed["spec"][field]
    placed["spec"][field] = other["spec"][field]
    answer = control_plane.put(placed)
    assert not answer.accepted
    assert "a placement is immutable but for `stop`" in answer.message


@pytest.mark.parametrize("backend", list(Backend))
def test_a_placement_takes_all_floors_that_the_policy_has_for_its_backend(
    control_plane: ControlPlane, backend: Backend
) -> None:
    manifest = placement()
    floors = [one.render() for one in DEFAULT_POLICY.version_floors if one.name is backend]
    manifest["spec"] |= {"backend": backend.value, "versions": {"floors": floors}}
    answer = control_plane.post(manifest, dry_run=True, user=OPERATOR)
    assert answer.accepted, answer.message


@pytest.mark.parametrize("versions", [None, {"minimum": "7.1"}])
def test_the_versions_of_a_placement_cannot_be_changed_or_taken_away(
    control_plane: ControlPlane, versions: Object | None
) -> None:
    manifest = placement()
    manifest["spec"]["versions"] = {"minimum": "7.2"}
    stored = control_plane.post(manifest, dry_run=False, user=OPERATOR)
    assert stored.accepted, stored.message
    body = stored.body
    body["spec"] = {**body["spec"], "versions": versions} if versions else manifest["spec"]
    if versions is None:
        del body["spec"]["versions"]
    answer = control_plane.put(body)
    assert control_plane.delete(manifest).accepted
    assert "`versions` is immutable" in answer.message


def test_the_binding_is_all_of_a_placement_but_stop(placed: Object) -> None:
    assert {*placed["spec"]} == {*BINDING}
    assert {message for _, message in expressions("vmplacements")} >= {
        "a placement is immutable but for `stop`",
        "`versions` is immutable",
        "`stop` may not be removed",
        "`stop.graceSeconds` may only be shortened",
    }


def test_the_binding_has_one_owner_and_no_note_on_each_field(placed: Object) -> None:
    (written,) = placed["metadata"]["managedFields"]
    assert written["fieldsV1"]["f:spec"] == {}


def test_a_stop_may_be_added_and_shortened_but_neither_removed_nor_lengthened(
    control_plane: ControlPlane, placed: Object
) -> None:
    ordered = {"reason": "UserRequested", "graceSeconds": 30}
    stopped = control_plane.merge(placed, stop(ordered), user=OPERATOR, dry_run=False)
    assert stopped.accepted, stopped.message
    for change, refusal in (
        ({**ordered, "graceSeconds": 5}, None),
        ({**ordered, "graceSeconds": 31}, "`stop.graceSeconds` may only be shortened"),
        (None, "`stop` may not be removed"),
    ):
        answer = control_plane.merge(placed, stop(change), user=OPERATOR)
        assert answer.accepted is (refusal is None), answer.message
        assert (refusal or "") in answer.message


def stop(order: Object | None) -> Object:
    return {"spec": {"stop": order}}
