"""Whose VM a process is: told by its command line, whatever else stands in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend
from schedune_agent.vmm.adapters import read_claim
from schedune_agent.vmm.markers import (
    backend_of,
    carries_a_marker,
    name_marker,
    option_marker,
    placement_of,
)
from schedune_agent.vmm.port import Request

CLAIM = Claim(vcpus=2, memory="512Mi", overhead_memory="66Mi")
uids = st.uuids().map(str)


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
    argv = ["/usr/bin/qemu-system-x86_64", "-fw_cfg", option_marker(uid, cluster)]
    assert (placement_of(argv, cluster), backend_of(argv)) == (uid, Backend.QEMU)


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
