"""Text that fits into a line, and into an object."""

import os
from datetime import UTC, datetime

import pytest

from schedune.api.text import shorten
from schedune.api.vmplacement import PlacementState
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.lifecycle.transitions import note


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("long enough", "long e..."),
        ("Ärger", "Ärger"),
        (os.fsdecode(b"a\xd0"), "a\\udcd0"),
        ("\ud800", "\\ud800"),
        (os.fsdecode(b"ab\xd0\xd0"), "ab\\udc..."),
    ],
)
def test_it_is_cut_where_it_must_be_and_says_what_no_utf8_can_say_by_its_number(
    text: str, told: str
) -> None:
    assert shorten(text, 9) == told


def test_a_trace_tells_of_what_has_a_name_that_is_no_text() -> None:
    reason = Reason(codes.GUEST_SILENT, os.fsdecode(b"it executes \xd0"))
    entry = note(PlacementState.RUNNING, reason, datetime(2026, 11, 24, tzinfo=UTC))
    assert "it executes \\udcd0" in entry.message
    assert type(entry).model_validate_json(entry.model_dump_json()) == entry
