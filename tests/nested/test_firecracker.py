"""Firecracker under a real KVM, where its binary is given: the tests inside speak here."""

import pytest

from schedune_testing.given import FIRECRACKER, given_binary
from schedune_testing.nested import Inside, run_inside

_DEADLINE_S = 900
_TESTS = "tests/vm/check_firecracker.py"
_AGAIN = "test_what_ended_a_guest_again_and_again_is_told_and_each_time_it_waits_longer"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """Run them all, once."""
    given_binary(FIRECRACKER)
    return run_inside(tmp_path_factory.mktemp("nested"), [_TESTS], deadline_s=_DEADLINE_S)


@pytest.mark.timeout(_DEADLINE_S)
@pytest.mark.parametrize(
    "name",
    [
        "test_a_guest_answers_outlives_its_agent_and_ends_in_order",
        "test_a_killed_vmm_is_no_reboot_and_the_next_incarnation_keeps_the_disk",
        f"{_AGAIN}[reboot-GuestReset]",
        f"{_AGAIN}[panic-GuestPanicked]",
        "test_a_guest_that_powers_off_is_not_seen_to_end_and_its_console_tells",
        "test_a_guest_is_reached_over_its_tap_and_the_tap_goes_with_its_placement",
    ],
)
def test_inside(inside: Inside, name: str) -> None:
    assert inside.outcomes.get(name, "was not run") == "passed", inside.log[-4000:]
