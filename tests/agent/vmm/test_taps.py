"""The names of taps: short, plain, each placement's and each agent's own."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Backend
from schedune_agent.settings import AgentSettings
from schedune_agent.system.taps import LONGEST_NAME
from schedune_agent.vmm.cloud_hypervisor.config import Net
from schedune_agent.vmm.port import Tap
from schedune_agent.vmm.taps import tap_names, taps_of

CLUSTER = "11111111-2222-3333-4444-555555555555"
CARDS: list[dict[str, Any]] = [
    {"name": "nat", "type": "User"},
    {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}},
    {"name": "wan", "type": "Tap", "tap": {"bridge": "br1"}},
]


def settings(cluster: str = CLUSTER, state: str = "/var/lib/schedune") -> AgentSettings:
    kubernetes = {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": "/token"}
    return AgentSettings.model_validate(
        {"kubernetes": kubernetes, "clusterUID": cluster, "stateDirectory": state}
    )


def launch() -> Launch:
    return Launch.model_validate(
        {
            "runtimeClass": "MicroVM",
            "architecture": "amd64",
            "acceleration": "KVM",
            "vcpus": 1,
            "memory": "128Mi",
            "networks": CARDS,
            "restartPolicy": "Always",
            "readiness": {"level": "Backend", "timeoutSeconds": 60},
            "terminationGraceSeconds": 0,
        }
    )


@given(st.text(max_size=80))
def test_whatever_a_placement_is_called_the_kernel_takes_the_names_of_its_taps(uid: str) -> None:
    names = tap_names(settings(), uid)
    assert len(set(names)) == 8
    for name in names:
        assert len(name) == LONGEST_NAME
        assert re.fullmatch("sch[a-z2-7]{12}", name)
        Net(id="net", tap=name, mac="52:54:00:00:00:01")


def test_two_placements_two_clusters_and_two_agents_of_a_machine_share_no_name() -> None:
    told = [
        *tap_names(settings(), "a"),
        *tap_names(settings(), "b"),
        *tap_names(settings(cluster=CLUSTER[::-1]), "a"),
        *tap_names(settings(state="/var/lib/other"), "a"),
    ]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("backend", [Backend.CLOUD_HYPERVISOR, Backend.FIRECRACKER])
def test_a_vmm_that_takes_no_open_tap_opens_each_by_its_name(backend: Backend) -> None:
    names = tap_names(settings(), "uid")
    assert taps_of(settings(), "uid", launch(), backend) == {
        "lan": Tap(names[1], "br0"),
        "wan": Tap(names[2], "br1"),
    }


def test_a_vmm_that_takes_open_taps_finds_each_under_a_number_of_its_own() -> None:
    found = taps_of(settings(), "uid", launch(), Backend.QEMU)
    assert [one.descriptor for one in found.values()] == [1001, 1002]
