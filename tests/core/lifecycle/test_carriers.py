"""Which process is a placement's VM by its marker: one that is proved, alone, or none."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmworkload import Backend
from schedune.lifecycle.carriers import Carrier, may_be_vms, pick_carrier, rivals_of
from schedune.lifecycle.observation import Sighting
from schedune.lifecycle.orphans import ProcessKey

KEY = ProcessKey(7, 70, "boot")
VM = Carrier(
    KEY, 1, "image", "qemu-system-x86_64", Backend.QEMU, Backend.QEMU,
    user=0, is_vms_user=True, is_in_place=True, is_here=True,
)  # fmt: skip
BESIDE = replace(VM, key=ProcessKey(8, 80, "boot"), image="another")


def hide(carrier: Carrier) -> Carrier:
    """Return what is seen of one that may not be looked at."""
    return replace(carrier, image="", program="", backend=None, is_hidden=True)


CARRIERS = st.lists(
    st.builds(
        Carrier,
        st.builds(ProcessKey, st.integers(2, 6), st.just(1), st.just("boot")),
        st.integers(1, 6),
        st.sampled_from(["i1", "i2"]),
        st.just("program"),
        st.none() | st.sampled_from(Backend),
        st.sampled_from(Backend),
        st.just(0),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ).flatmap(lambda one: st.sampled_from([one, hide(one)])),
    unique_by=lambda one: one.key,
    max_size=5,
)
MENTION = replace(VM, key=ProcessKey(9, 90, "boot"), backend=None, is_in_place=False)


def copy_of(carrier: Carrier, pid: int = 20) -> Carrier:
    """Return what a fork makes of a process."""
    return replace(carrier, key=ProcessKey(pid, 99, "boot"), parent=carrier.key.pid)


@given(CARRIERS)
def test_whoever_is_taken_is_proved_in_every_part_and_alone(carriers: list[Carrier]) -> None:
    pick = pick_carrier(carriers)
    assert (pick.carrier is not None) == (pick.sighting is Sighting.ALIVE)
    if pick.carrier is not None:
        one = pick.carrier
        assert one.is_in_place
        assert one.is_here
        assert one.is_vms_user
        assert one.backend is one.marked
        assert not one.is_hidden
        others = [other for other in carriers if other != one and not other.is_mention]
        assert all(other.image == one.image for other in others)


@given(CARRIERS)
def test_only_where_nothing_but_mentions_is_left_is_the_vm_gone(carriers: list[Carrier]) -> None:
    is_gone = pick_carrier(carriers).sighting is Sighting.GONE
    assert is_gone == all(one.is_mention for one in carriers)


@given(CARRIERS)
def test_what_only_talks_about_a_vm_changes_nothing(carriers: list[Carrier]) -> None:
    apart = [one for one in carriers if one.key.pid != MENTION.key.pid]
    assert pick_carrier([*apart, MENTION]) == pick_carrier(apart)


@given(CARRIERS, st.randoms(use_true_random=False))
def test_the_order_of_the_search_changes_nothing(carriers: list[Carrier], random: Random) -> None:
    assert pick_carrier(random.sample(carriers, len(carriers))) == pick_carrier(carriers)


@given(CARRIERS)
def test_no_order_to_ignore_makes_a_marked_vmm_gone(carriers: list[Carrier]) -> None:
    """Beside it a second VMM of the placement would be started."""
    pick = pick_carrier(carriers, {one.key for one in carriers})
    if any(one.is_marked_vmm or one.lacks_a_name_only for one in may_be_vms(carriers)):
        assert pick.sighting is not Sighting.GONE
    else:
        assert pick.sighting is Sighting.GONE


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"is_in_place": False}, "its marker is not where a launch writes it"),
        ({"user": 1000, "is_vms_user": False}, "no VM of this node runs as user 1000"),
        ({"is_here": False}, "its control socket is not in this run directory"),
        ({"backend": None, "is_hidden": True}, "what it executes may not be looked at"),
        (
            {"backend": None, "program": "sleep"},
            "it executes sleep, which is no QEMU of this node",
        ),
        (
            {"backend": Backend.FIRECRACKER, "program": "firecracker"},
            "it executes firecracker, which is no QEMU of this node",
        ),
    ],
)
def test_one_that_lacks_a_part_of_the_proof_is_neither_taken_nor_passed_over(
    changes: dict[str, object], lacks: str
) -> None:
    doubtful = replace(VM, **changes)
    pick = pick_carrier([doubtful])
    assert (pick.sighting, pick.carrier) == (Sighting.UNPROVED, None)
    assert pick.detail == f"pid 7: {lacks}"
    assert pick_carrier([BESIDE, doubtful]).sighting is Sighting.SEVERAL


def test_all_that_is_lacking_is_told() -> None:
    assert replace(VM, is_in_place=False, is_here=False).doubt == (
        "its marker is not where a launch writes it,"
        " its control socket is not in this run directory"
    )


def test_a_fork_of_the_vm_is_no_second_vm_and_what_has_another_command_line_is() -> None:
    assert pick_carrier([VM, copy_of(VM), copy_of(copy_of(VM), 21)]).carrier == VM
    other = replace(copy_of(VM), image="another")
    assert pick_carrier([VM, other]).sighting is Sighting.SEVERAL


def test_what_a_vm_left_of_itself_is_the_vm_when_it_has_ended() -> None:
    left = copy_of(VM)
    assert pick_carrier([left]).carrier == left


def test_of_two_none_is_taken_and_both_are_named() -> None:
    pick = pick_carrier([BESIDE, VM])
    assert (pick.sighting, pick.carrier) == (Sighting.SEVERAL, None)
    assert pick.detail == "pids 7, 8 all carry its marker"


def test_beside_a_doubtful_one_that_is_ignored_the_proved_one_is_taken() -> None:
    doubtful = replace(BESIDE, backend=None, program="sleep")
    assert pick_carrier([VM, doubtful], {doubtful.key}).carrier == VM


def test_a_known_vm_has_as_rivals_who_is_proved_too_and_neither_its_forks_nor_doubtful_ones() -> (
    None
):
    doubtful = replace(BESIDE, key=ProcessKey(10, 1, "boot"), is_here=False)
    assert rivals_of([VM, BESIDE, copy_of(VM), doubtful, MENTION], VM.key) == [BESIDE]


@given(CARRIERS, st.data())
def test_whatever_a_hidden_one_executes_the_answer_is_careful_enough(
    carriers: list[Carrier], data: st.DataObject
) -> None:
    """Nothing is begun, taken or ended that would not be if all could be looked at."""
    told = [
        replace(
            one,
            is_hidden=False,
            image=data.draw(st.sampled_from(["i1", "i2"])),
            program="program",
            backend=data.draw(st.none() | st.sampled_from(Backend)),
        )
        if one.is_hidden
        else one
        for one in carriers
    ]
    # An image is a command line too, and that says whether the marker is in its place.
    told = [replace(one, image=f"{one.image} {one.is_in_place}") for one in told]
    carriers = [
        hide(one) if one.is_hidden else now for one, now in zip(carriers, told, strict=True)
    ]
    ignored = {one.key for one in carriers if data.draw(st.booleans())}
    pick, careful = pick_carrier(told, ignored), pick_carrier(carriers, ignored)
    if careful.sighting is Sighting.GONE:
        assert pick.sighting is Sighting.GONE
    if careful.carrier is not None:
        assert pick.carrier == careful.carrier
    for vm in carriers:
        assert bool(rivals_of(told, vm.key)) <= bool(rivals_of(carriers, vm.key))


def test_a_hidden_one_is_no_copy_of_its_parent_and_no_mention() -> None:
    hidden = hide(VM)
    copy = copy_of(hidden)
    assert may_be_vms([hidden, copy]) == [hidden, copy]
    assert not hide(MENTION).is_mention


def test_a_hidden_one_is_a_rival_unless_something_else_speaks_against_it() -> None:
    hidden = hide(BESIDE)
    assert rivals_of([VM, hidden], VM.key) == [hidden]
    assert rivals_of([VM, replace(hidden, is_vms_user=False)], VM.key) == []
