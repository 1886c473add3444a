"""What VMs may use of a node, and who says so: never the bytes that pods were promised."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.nodetruth import DeclaredCapacity, NodeCapacity
from schedune.api.quantity import parse_bytes
from schedune_agent.capacity import settle_capacity
from schedune_agent.settings import ReserveSettings

CONFIGURED = NodeCapacity(vcpus=4, memory="4Gi", disk="10Gi", basis="Configured")
DECLARED = DeclaredCapacity(vcpus=16, memory="64Gi")
RESERVE = ReserveSettings()


def node(
    capacity: dict[str, str], allocatable: dict[str, str], kubelet: str = "v1.37.2"
) -> dict[str, Any]:
    info = {"kubeletVersion": kubelet} if kubelet else {}
    return {"status": {"capacity": capacity, "allocatable": allocatable, "nodeInfo": info}}


BIG = node(
    {"cpu": "32", "memory": "128Gi", "ephemeral-storage": "1000Gi"},
    {"cpu": "23500m", "memory": "95Gi", "ephemeral-storage": "900Gi"},
)


def settled(
    *, declared: DeclaredCapacity | None = None, raw: Any = None, found: Any = CONFIGURED,
    reserve: ReserveSettings = RESERVE,
) -> tuple[str, int, str, str] | None:  # fmt: skip
    told = settle_capacity(found, declared, raw, reserve)
    return told and (told.basis, told.vcpus, told.memory, told.disk)


def test_what_an_administrator_declares_goes_before_everything() -> None:
    assert settled(declared=DECLARED, raw=BIG) == ("Declared", 16, "64Gi", "0")


def test_beside_a_kubelet_vms_get_what_it_keeps_back_less_what_the_system_needs() -> None:
    """32 - 23.5 CPUs are 8 whole ones; one of them, and 1Gi of 33Gi, is the system's."""
    assert settled(raw=BIG) == ("OutsideAllocatable", 7, "32Gi", "0")


@pytest.mark.parametrize(
    "pages", [{}, {"hugepages-2Mi": 24}, {"hugepages-2Mi": 24, "hugepages-1Gi": 8}]
)
def test_huge_pages_are_the_pods_though_the_kubelet_takes_them_out_of_allocatable_memory(
    pages: dict[str, int],
) -> None:
    """Kubelet: allocatable memory = capacity - 2Gi reserved - every huge page of the machine."""
    sizes = {name: f"{gibi}Gi" for name, gibi in pages.items()}
    left = f"{64 - 2 - sum(pages.values())}Gi"
    raw = node({"cpu": "32", "memory": "64Gi", **sizes}, {"cpu": "28", "memory": left, **sizes})
    raw["status"]["capacity"]["ephemeral-storage"] = "100Gi"
    raw["status"]["allocatable"]["ephemeral-storage"] = "90Gi"
    assert settled(raw=raw) == ("OutsideAllocatable", 3, "1Gi", "0")


def test_where_huge_pages_are_all_that_is_outside_allocatable_there_is_no_memory_for_vms() -> None:
    """Nothing is reserved: all 40Gi outside of it are pages."""
    raw = node(
        {"cpu": "32", "memory": "64Gi", "hugepages-1Gi": "40Gi"},
        {"cpu": "28", "memory": "24Gi", "hugepages-1Gi": "40Gi"},
    )
    assert settled(raw=raw) is None


def test_disk_beside_a_kubelet_is_offered_only_where_the_reserve_says_how_much_stays_free() -> None:
    reserve = ReserveSettings(vcpus=0, memory="0", disk="60Gi")
    assert settled(raw=BIG, reserve=reserve) == ("OutsideAllocatable", 8, "33Gi", "40Gi")


@pytest.mark.parametrize("raw", [None, node({"pods": "0"}, {"pods": "0"}, kubelet="")])
def test_without_a_kubelet_the_agents_own_settings_count(raw: Any) -> None:
    assert settled(raw=raw) == ("Configured", 4, "4Gi", "10Gi")
    assert settled(raw=raw, found=None) is None


@pytest.mark.parametrize(
    "raw",
    [
        node({"cpu": "8", "memory": "32Gi"}, {"cpu": "8", "memory": "32665Mi"}),
        node({"cpu": "8", "memory": "32Gi"}, {"cpu": "2", "memory": "31Gi"}),
        node({"cpu": "8", "memory": "32Gi"}, {"cpu": "9", "memory": "1Gi"}),
        node({"cpu": "many", "memory": "32Gi"}, {"cpu": "1", "memory": "1Gi"}),
        node({}, {}),
    ],
    ids=["kubelet's defaults", "no memory", "more than all", "nonsense", "nothing"],
)
def test_where_a_kubelet_leaves_nothing_nobody_has_declared_anything(raw: Any) -> None:
    """Not what the agent is configured to offer: pods were promised those bytes already."""
    assert settled(raw=raw) is None


def test_which_huge_pages_are_free_is_told_whoever_declares_the_rest() -> None:
    for declared in (None, DECLARED):
        told = settle_capacity(None, declared, BIG, RESERVE, ["2Mi=512"])
        assert told is not None
        assert told.hugepages == ["2Mi=512"]


@given(
    st.integers(1, 64), st.integers(0, 64_000), st.integers(1, 512), st.integers(0, 600),
    st.integers(0, 4), st.integers(0, 8),
)  # fmt: skip
def test_vms_and_pods_never_count_the_same_cpu_or_byte(
    cpus: int, millicpus: int, gibi: int, pods_gibi: int, reserve_cpus: int, reserve_gibi: int
) -> None:
    raw = node(
        {"cpu": str(cpus), "memory": f"{gibi}Gi"},
        {"cpu": f"{millicpus}m", "memory": f"{pods_gibi}Gi"},
    )
    reserve = ReserveSettings(vcpus=reserve_cpus, memory=f"{reserve_gibi}Gi")
    told = settle_capacity(None, None, raw, reserve)
    if told is not None:
        assert told.vcpus * 1000 + millicpus + reserve_cpus * 1000 <= cpus * 1000
        assert parse_bytes(told.memory) + (pods_gibi + reserve_gibi) * 2**30 <= gibi * 2**30
