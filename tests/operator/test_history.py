"""What is remembered of earlier placements."""

from datetime import UTC, datetime

from schedune.api.vmworkload import Attempt
from schedune.codes import execution as codes
from schedune.codes.row import Row
from schedune_operator.history import next_attempt

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def attempt(number: int, row: Row, end: datetime = NOW) -> Attempt:
    return Attempt(
        attempt=number,
        code=row.code,
        end_time=end,
        exit_reason=row.reason,
        node_name="arm-01",
        placement_uid=f"p{number}",
    )


def test_the_first_attempt_is_number_one_and_none_is_counted_twice() -> None:
    assert next_attempt([]) == 1
    assert next_attempt([attempt(1, codes.LEDGER_FULL), attempt(2, codes.STOPPED_BY_GUEST)]) == 3
