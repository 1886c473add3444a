"""What Cloud Hypervisor's events say of a VM, whatever pieces they come in."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune_agent.vmm.cloud_hypervisor.events import EventDecoder, EventFile, History
from schedune_agent.vmm.reboots import LOOP_SECONDS, MOST_REBOOTS

START = ("vmm", "starting")
BOOT = [START, ("vm", "booting"), ("vm", "booted"), ("virtio-device", "activated")]
OFF = [("virtio-device", "reset"), ("vm", "shutdown")]
REBOOT = [("virtio-device", "reset"), ("vm", "rebooting"), ("vm", "rebooted")]


def text(events: list[tuple[str, str]], seconds: float = 0, step: float = 0) -> bytes:
    """The events as Cloud Hypervisor writes them."""
    return b"".join(
        json.dumps(
            {
                "timestamp": {"secs": int(seconds + step * number), "nanos": 7},
                "source": source,
                "event": event,
                "properties": None,
            },
            indent=2,
        ).encode()
        + b"\n\n"
        for number, (source, event) in enumerate(events)
    )


def told(content: bytes) -> History:
    history = History()
    for event in EventDecoder().feed(content):
        history.add(event)
    return history


@given(st.lists(st.integers(1, 200), max_size=30))
def test_the_pieces_in_which_they_come_make_no_difference(cuts: list[int]) -> None:
    content, decoder, found, at = text(BOOT + OFF), EventDecoder(), [], 0
    for cut in cuts:
        found += decoder.feed(content[at : at + cut])
        at += cut
    found += decoder.feed(content[at:])
    assert found == EventDecoder().feed(content)
    assert len(found) == len(BOOT + OFF)


@pytest.mark.parametrize(
    "nonsense",
    [b"{", b"[]\n\n", b'"x"\n\n', b"\xff\xfe\n\n", b"[" * 5000 + b"\n\n", b"x" * 200_000 + b"\n\n"],
    ids=["cut off", "list", "string", "no text", "deep", "endless"],
)
def test_what_is_no_event_is_passed_over_and_the_next_ones_are_read(nonsense: bytes) -> None:
    decoder = EventDecoder()
    before = decoder.feed(nonsense if nonsense.endswith(b"\n\n") else nonsense + b"\n\n")
    assert before == []
    assert len(decoder.feed(text(BOOT))) == len(BOOT)


def test_an_endless_event_is_not_kept() -> None:
    decoder = EventDecoder()
    for _ in range(100):
        assert decoder.feed(b"x" * 65536) == []
    assert len(decoder._rest) <= 65536
    assert len(decoder.feed(b"\n\n" + text(BOOT))) == len(BOOT)


def test_a_guest_that_runs_has_booted_and_is_not_over() -> None:
    history = told(text(BOOT))
    assert (history.is_whole, history.has_booted, history.is_over) == (True, True, False)


def test_a_guest_that_let_go_of_its_devices_ended_by_itself() -> None:
    history = told(text(BOOT + OFF))
    assert (history.is_over, history.by_guest) == (True, True)


def test_a_vm_that_was_shut_down_from_outside_did_not_end_by_itself() -> None:
    history = told(text([*BOOT, ("vm", "shutdown"), ("vm", "deleted"), ("vmm", "shutdown")]))
    assert (history.is_over, history.by_guest) == (True, False)


def test_a_reboot_is_no_end_and_what_comes_after_it_counts() -> None:
    history = told(text(BOOT + REBOOT + [("virtio-device", "activated"), ("vm", "shutdown")]))
    assert len(history.reboots) == 1
    assert (history.is_over, history.by_guest) == (True, False)


def test_a_panic_is_remembered_over_the_reboot_that_follows_it() -> None:
    assert told(text([*BOOT, ("guest", "panic"), *REBOOT])).has_panicked


def test_events_without_the_first_one_tell_nothing_of_before() -> None:
    assert not told(text(BOOT[1:])).is_whole
    assert not told(text([BOOT[1], START])).is_whole
    assert not told(b"").is_whole


@pytest.mark.parametrize(
    ("count", "seconds", "loops"),
    [
        (MOST_REBOOTS + 1, 5, True),
        (MOST_REBOOTS, 5, False),
        (MOST_REBOOTS + 1, LOOP_SECONDS / MOST_REBOOTS + 1, False),
        (20 * MOST_REBOOTS, LOOP_SECONDS, False),
    ],
    ids=["many and fast", "few", "slow", "many and slow"],
)
def test_more_than_five_reboots_within_five_minutes_are_a_loop(
    count: int, seconds: float, *, loops: bool
) -> None:
    assert told(text([("vm", "rebooted")] * count, step=seconds)).reboots.loops == loops


@pytest.mark.parametrize("stamp", [None, {}, {"secs": "x"}, {"secs": -1}, {"secs": 2**80}])
def test_a_time_that_is_none_does_no_harm(stamp: object) -> None:
    history = History()
    for _ in range(MOST_REBOOTS + 1):
        history.add({"timestamp": stamp, "source": "vm", "event": "rebooted"})
    assert not history.reboots.loops
    for second in range(MOST_REBOOTS + 1):
        history.add({"timestamp": {"secs": second}, "source": "vm", "event": "rebooted"})
    assert history.reboots.loops


def test_a_file_is_read_on_from_where_the_last_look_ended(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    file = EventFile(path)
    assert not file.look().is_whole
    path.write_bytes(text(BOOT)[:-30])
    assert file.look().has_booted
    path.write_bytes(text(BOOT + OFF))
    assert file.look().is_over
    path.unlink()
    assert file.look().is_over
