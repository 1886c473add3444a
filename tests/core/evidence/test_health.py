"""Health: alarms begin and end with hysteresis, keep their onset, and make one state."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.nodetruth import Health, HealthState
from schedune.codes import alarms as codes
from schedune.codes.row import Row
from schedune.evidence.health import FORGOTTEN_AFTER, MOST_ALARMS, Level, Memory, Rule, judge
from schedune.evidence.health_rules import PROBE_FAILING, RULES

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ROUND = timedelta(seconds=30)
HOT = Rule("heat", codes.ALARM_TEMPERATURE_HIGH, "Warning", 80, 60, 60, 90)
LOW = Rule("room", codes.ALARM_DISK_LOW, "Error", 5, 10, 0, 0)


def live_through(
    levels: Sequence[Sequence[Level]], rules: Sequence[Rule], every: timedelta = ROUND
) -> list[Health]:
    """Return how the node was after each round."""
    memory, now, told = Memory(), START, []
    for measured in levels:
        health, memory = judge(memory, measured, rules, now)
        told.append(health)
        now += every
    return told


def heat(*values: float) -> list[list[Level]]:
    return [[Level("heat", value, "cpu")] for value in values]


def codes_of(told: Sequence[Health]) -> list[list[str]]:
    return [[one.code for one in health.alarms] for health in told]


def test_a_level_that_passes_in_a_moment_is_no_alarm() -> None:
    told = live_through(heat(95, 95, 50, 95, 95, 50), [HOT])
    assert codes_of(told) == [[]] * 6
    assert {one.state for one in told} == {HealthState.HEALTHY}


def test_an_alarm_begins_after_its_hold_and_is_dated_when_the_level_was_first_there() -> None:
    told = live_through(heat(70, 80, 80, 80, 85), [HOT])
    assert codes_of(told) == [[], [], [], ["ALARM_TEMPERATURE_HIGH"], ["ALARM_TEMPERATURE_HIGH"]]
    assert {one.onset_time for health in told for one in health.alarms} == {START + ROUND}
    assert told[-1].state is HealthState.WARNING
    assert told[-1].alarms[0].message == "cpu is nearly as hot as it may be"


def test_an_alarm_ends_only_when_the_level_stayed_clear() -> None:
    raised = [80.0, 80, 80]
    told = live_through(heat(*raised, 60, 60, 61, 60, 60, 60, 60), [HOT])
    assert [len(one.alarms) for one in told] == [0, 0, 1, 1, 1, 1, 1, 1, 1, 0]


@given(st.lists(st.floats(60.1, 79.9), min_size=1, max_size=40), st.booleans())
def test_nothing_moves_inside_the_band(inside: list[float], raised: bool) -> None:
    before = [80.0, 80, 80] if raised else [50.0, 50, 50]
    told = live_through(heat(*before, *inside), [HOT])[2:]
    assert {len(one.alarms) for one in told} == {int(raised)}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_an_alarm_keeps_its_onset_as_long_as_it_lasts(values: list[float]) -> None:
    told = live_through(heat(*values), [HOT])
    for before, after in pairwise(told):
        if before.alarms and after.alarms:
            assert before.alarms[0].onset_time == after.alarms[0].onset_time
        elif after.alarms:
            assert values[told.index(after)] >= HOT.onset


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 90))
def test_two_alarms_are_as_far_apart_as_their_holds_demand(
    values: list[float], seconds: int
) -> None:
    told = live_through(heat(*values), [HOT], timedelta(seconds=seconds))
    changes = [
        at for at, (one, next_) in enumerate(pairwise(told)) if len(one.alarms) != len(next_.alarms)
    ]
    for earlier, later in pairwise(changes):
        hold = HOT.clear_after_seconds if told[later].alarms else HOT.onset_after_seconds
        assert (later - earlier) * seconds >= hold


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["a", "b", "c"])), max_size=30))
def test_the_same_levels_give_the_same_health_in_whatever_order(
    measured: list[tuple[float, str]],
) -> None:
    levels = list({subject: Level("room", value, subject) for value, subject in measured}.values())
    first = judge(Memory(), levels, [LOW], START)
    assert first == judge(Memory(), levels, [LOW], START)
    assert first[0] == judge(Memory(), levels[::-1], [LOW], START)[0]


@given(
    st.lists(
        st.lists(
            st.builds(
                Level,
                st.sampled_from(sorted({rule.level for rule in RULES} | {"unknown"})),
                st.floats(allow_nan=True, allow_infinity=True),
                st.text(max_size=20),
            ),
            max_size=60,
        ),
        max_size=8,
    ),
    st.integers(-3600, 3600),
)
def test_whatever_is_measured_the_health_fits_its_bounds(
    rounds: list[list[Level]], seconds: int
) -> None:
    for health in live_through(rounds, RULES, timedelta(seconds=seconds)):
        assert Health.model_validate(health.render()).state is health.state
        assert len(health.alarms) <= MOST_ALARMS


def test_a_level_that_nobody_measures_changes_nothing_until_it_is_forgotten() -> None:
    unmeasured = int(FORGOTTEN_AFTER / ROUND)
    told = live_through([*heat(80, 80, 80), *[[]] * (unmeasured + 1)], [HOT])
    assert [len(one.alarms) for one in told[2:]] == [1] * unmeasured + [0, 0]


def test_a_number_that_is_none_is_no_measurement() -> None:
    told = live_through(heat(80, 80, 80, float("nan")), [HOT])
    assert len(told[-1].alarms) == 1


def test_a_clock_that_was_set_back_makes_no_alarm_endless() -> None:
    memory = Memory()
    for seconds in (0, 30, 60):
        health, memory = judge(memory, heat(80)[0], [HOT], START + timedelta(seconds=seconds))
    assert health.alarms
    for seconds in (70, -86400, -86370, -86340, -86310):
        health, memory = judge(memory, heat(50)[0], [HOT], START + timedelta(seconds=seconds))
    assert not health.alarms


def test_a_low_level_is_bad_where_the_onset_is_below_the_clear() -> None:
    rooms = [[Level("room", value, "/disk")] for value in (11, 6, 5, 9, 10)]
    told = live_through(rooms, [LOW])
    assert [one.state.value for one in told] == [
        "Healthy", "Healthy", "Degraded", "Degraded", "Healthy",
    ]  # fmt: skip


def test_of_one_level_the_gravest_alarm_is_told() -> None:
    full = [Level("state_room_percent", 0.5, "state path /var"), Level("run_room_percent", 7, "/r")]
    (health,) = live_through([full], RULES)
    assert [(one.code, one.severity) for one in health.alarms] == [
        ("ALARM_DISK_FULL", "Error"),
        ("ALARM_DISK_LOW", "Warning"),
    ]


def test_more_alarms_than_fit_keep_the_gravest() -> None:
    many = [Level("filesystem_errors", 1, f"disk{number}") for number in range(40)]
    (health,) = live_through([[*many, Level("run_room_percent", 0, "/run")]], RULES)
    assert len(health.alarms) == MOST_ALARMS
    assert health.alarms[0].severity == "Error"
    assert health.state is HealthState.DEGRADED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.row.code}-{rule.level}")
def test_every_rule_raises_its_alarm_and_ends_it(rule: Rule) -> None:
    wait = timedelta(seconds=max(rule.onset_after_seconds, rule.clear_after_seconds))
    levels = [[Level(rule.level, value, "it")] for value in (rule.onset,) * 2 + (rule.clear,) * 2]
    told = live_through(levels, RULES, wait)
    row: Row = rule.row
    assert row.code in codes_of(told)[1]
    assert "{" not in told[1].alarms[0].message
    assert row.code not in codes_of(told)[3]


@pytest.mark.parametrize("level", sorted({rule.level for rule in RULES}))
def test_a_rule_has_room_between_onset_and_clear(level: str) -> None:
    for rule in (one for one in RULES if one.level == level):
        assert rule.onset != rule.clear
        assert (rule.begins(rule.onset), rule.begins(rule.clear)) == (True, False)
        assert (rule.ends(rule.clear), rule.ends(rule.onset)) == (True, False)


def test_what_passes_in_a_moment_never_keeps_vms_away() -> None:
    """Only an Error does: pressure of the CPU, of disks or a failing probe is none."""
    for rule in RULES:
        if rule.level in (
            "cpu_waiting_percent",
            "io_stalled_percent",
            "load_per_cpu",
            PROBE_FAILING,
        ):
            assert rule.severity == "Warning"
            assert rule.onset_after_seconds >= 60
