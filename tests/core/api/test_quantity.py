"""Quantities are read exactly and refused clearly."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schedune.api.quantity import MAX_BYTES, QuantityError, parse_bytes, render_bytes, render_needed

UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
AMOUNTS = st.integers(min_value=0, max_value=MAX_BYTES)
UNIT = st.sampled_from(sorted(UNITS))


@given(AMOUNTS)
def test_a_plain_number_is_that_many_bytes(amount: int) -> None:
    assert parse_bytes(amount) == parse_bytes(str(amount)) == parse_bytes(f"+{amount}") == amount


@given(AMOUNTS, UNIT)
def test_a_whole_number_of_units_is_exact(amount: int, unit: str) -> None:
    assume(amount * UNITS[unit] <= MAX_BYTES)
    assert parse_bytes(f"{amount}{unit}") == amount * UNITS[unit]


@given(st.decimals(min_value=0, max_value=7, places=6), UNIT)
def test_a_fraction_is_rounded_up_to_a_whole_byte(amount: Decimal, unit: str) -> None:
    exact = amount * UNITS[unit]
    assume(exact <= MAX_BYTES)
    assert parse_bytes(f"{amount:f}{unit}") == int(exact.to_integral_value(ROUND_CEILING))


@given(st.integers(1, 10**6), UNIT)
def test_a_negative_size_is_refused(amount: int, unit: str) -> None:
    with pytest.raises(QuantityError, match="must not be negative"):
        parse_bytes(f"-{amount}{unit}")


@given(st.integers(1, 2**40), UNIT)
def test_more_than_63_bits_are_refused(beyond: int, unit: str) -> None:
    amount = MAX_BYTES // int(UNITS[unit]) + beyond
    with pytest.raises(QuantityError, match="must not exceed"):
        parse_bytes(f"{amount}{unit}")


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused_in_words(text: str) -> None:
    try:
        amount = parse_bytes(text)
    except QuantityError as error:
        told = str(error)
    else:
        told = text if 0 <= amount <= MAX_BYTES else ""
    assert text in told


@given(st.integers(min_value=0, max_value=10**6), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_what_is_rendered_in_whole_units_reads_back(amount: int, unit: str) -> None:
    size = amount * UNITS[unit]
    assume(size <= MAX_BYTES)
    if size >= 2**20:
        size = size // 2**20 * 2**20
    assert parse_bytes(render_bytes(size)) == size


@given(st.integers(min_value=0, max_value=2**50))
def test_what_is_needed_is_never_told_as_less_nor_as_a_mebibyte_more(size: int) -> None:
    assert size <= parse_bytes(render_needed(size)) < size + 2**20


@pytest.mark.parametrize("text", ["1e3", "1E3", "1000", "1k", "1.0k", "1000000m"])
def test_the_ways_to_write_a_thousand_agree(text: str) -> None:
    assert parse_bytes(text) == 1000


@pytest.mark.parametrize("text", ["", " 1", "1 Gi", "1GiB", "1gi", "٣", "0x10", "1e99", "--1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_bytes(text)
