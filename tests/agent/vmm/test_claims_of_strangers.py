"""What a process says that it holds: anybody may run anything under the name of a VMM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_agent.vmm.adapters import read_claim


def test_a_vm_of_ours_says_what_it_holds() -> None:
    claim = read_claim(["qemu", "-machine", "q35", "-accel", "kvm", "-smp", "2", "-m", "512M"])
    assert claim is not None
    assert (claim.vcpus, claim.memory) == (2, "512Mi")


@pytest.mark.parametrize(
    ("vcpus", "memory"),
    [
        ("70000", "1M"),
        ("9" * 5000, "1M"),
        ("1", "9" * 30 + "M"),
        ("1", "9" * 17 + "M"),
        ("²", "1M"),
    ],
    ids=["too-many", "endless", "endless-memory", "more-than-any-node", "no-digit"],
)
def test_nonsense_holds_nothing_and_harms_nobody(vcpus: str, memory: str) -> None:
    assert read_claim(["firecracker", "-smp", vcpus, "-m", memory]) is None


@given(
    st.lists(st.sampled_from(["-smp", "-m", "-accel", "1", "64M", "tcg,tb-size=32"]) | st.text())
)
def test_whatever_stands_on_a_command_line_is_read_without_an_error(argv: list[str]) -> None:
    read_claim(argv)
