"""A real KVM, in a machine of our own: what the tests inside say is said here."""

import pytest

from schedune_testing.nested import DEADLINE_S, Inside, run_inside

pytestmark = pytest.mark.timeout(DEADLINE_S + 20)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """Run what needs a working KVM, once."""
    return run_inside(tmp_path_factory.mktemp("nested"), ["tests/vm/check_kvm.py"])


def assert_passed(inside: Inside, name: str) -> None:
    assert inside.outcomes.get(name, "was not run") == "passed", inside.log[-4000:]


def test_the_strong_probe_tells_a_kvm_that_runs_guests(inside: Inside) -> None:
    assert_passed(inside, "test_the_strong_probe_says_that_guests_run")


def test_qemu_under_kvm_boots_a_guest_that_outlives_its_agent(inside: Inside) -> None:
    assert_passed(inside, "test_a_guest_under_kvm_answers_outlives_its_agent_and_ends_in_order")


def test_a_qemu_under_kvm_that_is_killed_comes_up_again(inside: Inside) -> None:
    assert_passed(inside, "test_a_killed_qemu_is_told_and_the_next_incarnation_keeps_the_disk")


def test_a_microvm_under_kvm_boots_a_guest_on_a_machine_without_pci(inside: Inside) -> None:
    assert_passed(
        inside, "test_a_microvm_under_kvm_runs_on_a_machine_without_pci_and_ends_in_order"
    )
