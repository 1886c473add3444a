"""What `spec.guest` may ask for, and what becomes of it in a launch."""

from typing import Any

import pytest

from schedune.api.vmworkload import Architecture, Backend
from schedune.launch.intent import Intent, parse_intent, read_workload, unsupported_fields
from schedune.launch.resolve import resolve_launch
from schedune_testing.manifests import minimal_workload

DISK = {"name": "seed", "source": {"artifact": "d"}, "format": "Raw", "access": "ReadOnly"}


def parsed(**spec: Any) -> Any:
    manifest = minimal_workload()
    manifest["metadata"]["uid"] = "uid"
    manifest["spec"] |= spec
    workload = read_workload(manifest)
    assert not isinstance(workload, tuple), workload
    assert unsupported_fields(workload.spec) == ()
    return parse_intent(workload)


def test_what_the_guest_is_told_goes_into_the_launch_a_secret_by_name_only() -> None:
    guest = {"hostname": "web", "userData": {"secretRef": {"name": "s", "key": "k"}}}
    intent = parsed(guest=guest)
    assert isinstance(intent, Intent)
    launch = resolve_launch(intent, Architecture.AMD64, Backend.QEMU)
    assert launch.render()["guest"] == guest


@pytest.mark.parametrize("spec", [{}, {"guest": {}}])
def test_a_guest_that_is_told_nothing_gets_no_seed(spec: dict[str, Any]) -> None:
    assert resolve_launch(parsed(**spec), Architecture.AMD64, Backend.QEMU).guest is None


def test_a_disk_named_like_the_seed_is_refused_only_beside_one() -> None:
    assert isinstance(parsed(disks=[DISK]), Intent)
    (refusal,) = parsed(disks=[DISK], guest={"hostname": "web"})
    assert (refusal.row.code, refusal.subject) == ("INVALID_FIELD", "spec.disks[].name")


def test_a_key_of_two_lines_is_refused_and_told_by_its_size() -> None:
    (refusal,) = parsed(guest={"sshAuthorizedKeys": {"inline": ["hush\nhush"]}})
    assert refusal.subject == "spec.guest.sshAuthorizedKeys.inline"
    assert "9 characters" in refusal.message
    assert "hush" not in refusal.message


@pytest.mark.parametrize("name", ["../configmaps/x", "a/b", "a?b", "A", "", "-a"])
def test_a_name_of_a_secret_that_could_lead_elsewhere_is_refused(name: str) -> None:
    manifest = minimal_workload()
    reference = {"secretRef": {"name": name, "key": "k"}}
    manifest["spec"]["guest"] = {"userData": reference}
    assert isinstance(read_workload(manifest), tuple)
