"""Versions as binaries tell them, and demands on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.launch.version import judge_version, parse_version

NUMBERS = st.integers(0, 2**63 - 1)


def judge(observed: str | None, **demand: str) -> list[str]:
    return [one.row.code for one in judge_version(observed, subject="QEMU", **demand)]


@given(NUMBERS, NUMBERS, st.none() | NUMBERS, st.sampled_from(["", "v", "QEMU version "]))
def test_the_first_version_of_a_text_is_read_whatever_stands_around_it(
    major: int, minor: int, patch: int | None, before: str
) -> None:
    text = f"{before}{major}.{minor}" + ("" if patch is None else f".{patch}") + "-rc1 (9.9.9)"
    assert parse_version(text) == (major, minor, patch or 0)


@pytest.mark.parametrize(
    "text",
    ["", "6", "v1", "none", f"{2**63}.1", "1." + "9" * 5000, "\u0661.\u0662"],
    ids=["empty", "major", "v", "word", "65 bits", "huge", "other digits"],
)
def test_what_holds_no_version_is_told_apart_from_version_0(text: str) -> None:
    assert parse_version(text) is None


def test_leading_zeros_and_a_fourth_part_mean_nothing() -> None:
    assert parse_version("0" * 5000 + "1.02.003.4") == (1, 2, 3)


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_text_makes_it_fail(observed: str, minimum: str, exact: str) -> None:
    judge(observed, minimum=minimum, exact=exact)


@given(st.text(max_size=40) | st.none())
def test_nothing_demanded_is_nothing_wrong(observed: str | None) -> None:
    assert judge(observed) == []


def test_numbers_are_compared_as_numbers() -> None:
    assert judge("1.10.0", minimum="1.9.0") == []
    assert judge("1.9.0", minimum="1.10") == ["ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD"]
    assert judge("6.2", exact="6.2.0") == []


def test_every_demand_that_is_not_met_is_told() -> None:
    assert judge("1.5", exact="1.6", minimum="1.7") == [
        "ERR_LAUNCH_RUNTIME_VERSION_MISMATCH",
        "ERR_LAUNCH_RUNTIME_VERSION_TOO_OLD",
    ]


@pytest.mark.parametrize(
    ("observed", "demand", "code"),
    [
        (None, "1.0", "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN"),
        ("", "1.0", "ERR_LAUNCH_RUNTIME_VERSION_UNKNOWN"),
        ("development", "1.0", "ERR_LAUNCH_RUNTIME_VERSION_UNPARSEABLE"),
        ("1.5", "new", "ERR_LAUNCH_RUNTIME_VERSION_UNPARSEABLE"),
    ],
)
def test_unknown_and_unreadable_have_codes_of_their_own(
    observed: str | None, demand: str, code: str
) -> None:
    assert judge(observed, minimum=demand) == [code]
    assert judge(observed, exact=demand) == [code]
