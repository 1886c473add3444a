"""Whose VM a process is: told by its command line, whatever else stands in it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.vmm.adapters import read_claim
from schedune_agent.vmm.markers import (
    Mark,
    backend_of,
    carries_a_marker,
    mark_of,
    marks_on,
    name_marker,
    names_path,
    option_marker,
    placement_of,
)
from schedune_agent.vmm.port import Request

CLAIM = Claim(vcpus=2, memory="512Mi", overhead_memory="66Mi")
uids = st.uuids().map(str)


def qemu(uid: str, cluster: str) -> list[str]:
    name = f"guest={uid},debug-threads=on"
    return ["/usr/bin/qemu-system-x86_64", "-name", name, "-fw_cfg", option_marker(uid, cluster)]


@given(uids, uids, st.sampled_from(list(Backend)))
def test_a_name_tells_backend_cluster_placement_and_claim(
    uid: str, cluster: str, backend: Backend
) -> None:
    argv = [name_marker(backend, uid, cluster, CLAIM), "--api-socket", "path=/run/x"]
    assert placement_of(argv, cluster) == uid
    assert backend_of(argv) is backend
    assert read_claim(argv) == CLAIM
    assert placement_of(argv, "another-cluster") is None
    assert carries_a_marker(argv)


@given(uids, uids)
def test_an_option_tells_cluster_and_placement(uid: str, cluster: str) -> None:
    argv = qemu(uid, cluster)
    assert (placement_of(argv, cluster), backend_of(argv)) == (uid, Backend.QEMU)
    assert marks_on(argv) == [Mark(Backend.QEMU, cluster, uid, is_in_place=True)]


@given(uids, uids, st.sampled_from(list(Backend)), st.booleans())
def test_a_marked_vm_is_nobody_elses_whatever_its_user_writes(
    uid: str, other: str, backend: Backend, of_option: bool
) -> None:
    """The guest's command line is on QEMU's, and may hold the marker of another VM."""
    text = option_marker(other, "c") if of_option else name_marker(backend, other, "c", CLAIM)
    argv = [*qemu(uid, "c"), "-append", text]
    assert marks_on(argv) == [Mark(Backend.QEMU, "c", uid, is_in_place=True)]
    assert mark_of(argv, other, "c") is None or other == uid


@given(uids, st.sampled_from(list(Backend)), st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_whatever_stands_before_it_makes_a_marked_command_line_a_mention(
    uid: str, backend: Backend, before: list[str]
) -> None:
    """A tracer, a debugger or a shell has the command line of what it runs behind its own."""
    for argv in (qemu(uid, "c"), [name_marker(backend, uid, "c", CLAIM), "--api-sock", "/x"]):
        found = mark_of([*before, *argv], uid, "c")
        assert found is not None
        assert not found.is_in_place


@pytest.mark.parametrize(
    "options",
    [
        ["-fw_cfg", option_marker("u", "c")],
        ["-name", "guest=other,debug-threads=on", "-fw_cfg", option_marker("u", "c")],
        ["-name", "guest=u,debug-threads=on", "-device", option_marker("u", "c")],
        ["-name", "guest=u,debug-threads=on", "-fw_cfg", "name=opt/x", "-fw_cfg",
         option_marker("u", "c")],
    ],
)  # fmt: skip
def test_a_marker_where_no_launch_writes_it_is_a_mention(options: list[str]) -> None:
    assert [one.is_in_place for one in marks_on(["qemu-system-x86_64", *options])] == [False]


def test_a_path_is_named_by_an_option_and_not_by_what_a_user_wrote_or_by_a_longer_one() -> None:
    path = Path("/run/schedune/u/q.sock")
    assert names_path(["x", "-chardev", f"socket,id=mon0,path={path},server=on"], path)
    assert names_path(["x", "--api-socket", f"path={path}"], path)
    assert names_path(["x", "--api-sock", str(path)], path)
    assert not names_path(["x", "-append", str(path)], path)
    assert not names_path(["x", "-append", f"a,path={path}"], path)
    assert not names_path(["x", "--api-sock", f"/elsewhere{path}"], path)
    assert not names_path(["x", "--api-sock", f"{path}.old"], path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "schedune-vm",
        "schedune-vm/QEMU/cluster/uid",
        "schedune-vm/Xen/cluster/uid/1/1/1",
        "schedune-vm/QEMU/cluster/../../etc/1/1/1",
        "schedune-vm/QEMU/clu ster/uid/1/1/1",
        "/schedune-vm/QEMU/cluster/uid/1/1/1",
    ],
)
def test_anything_else_is_no_marker(name: str) -> None:
    assert not carries_a_marker([name, "--id", "x"])


@given(st.lists(st.text(), max_size=4))
def test_no_command_line_is_too_strange_to_be_read(argv: list[str]) -> None:
    assert placement_of(argv, "cluster") is None
    read_claim(argv)


@given(st.dictionaries(st.text(), st.text()))
def test_a_request_is_read_as_it_was_written(body: dict[str, str]) -> None:
    request = Request.of("PUT", "/api/v1/vm.create", body)
    assert Request.parse(str(request)) == request
    assert Request.parse("PUT /api/v1/vm.boot") == Request("PUT", "/api/v1/vm.boot")
