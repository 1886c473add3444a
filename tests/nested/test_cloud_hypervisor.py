"""Cloud Hypervisor under a real KVM, where its binary is given: the tests inside speak here."""

import pytest

from schedune_testing.given import CLOUD_HYPERVISOR, given_binary
from schedune_testing.nested import Inside, run_inside

_DEADLINE_S = 900
_TESTS = "tests/vm/check_cloud_hypervisor.py"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """Run them all, once."""
    given_binary(CLOUD_HYPERVISOR)
    return run_inside(tmp_path_factory.mktemp("nested"), [_TESTS], deadline_s=_DEADLINE_S)


@pytest.mark.timeout(_DEADLINE_S)
@pytest.mark.parametrize(
    "name",
    [
        "test_a_guest_answers_outlives_its_agent_and_ends_by_its_power_button",
        "test_a_guests_reboot_stays_in_its_process_and_is_no_new_incarnation",
        "test_a_guest_that_reboots_again_and_again_is_ended_with_that_as_the_reason",
        "test_a_panic_is_told_with_its_console_and_ends_a_vmm_that_would_go_on",
        "test_a_guest_that_powers_off_is_not_started_again",
        "test_a_guest_that_powered_off_while_no_agent_ran_is_told_so_all_the_same",
        "test_a_killed_vmm_is_told_and_the_next_incarnation_keeps_the_disk",
        "test_a_guest_is_reached_over_its_tap_and_the_tap_goes_with_its_placement",
    ],
)
def test_inside(inside: Inside, name: str) -> None:
    assert inside.outcomes.get(name, "was not run") == "passed", inside.log[-4000:]
