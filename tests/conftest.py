"""What holds for every test: nothing is skipped in CI that could run there."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

ALLOWED_TO_SKIP: Final = "conformance"
"""The corpus of these tests need not lie beside the checkout."""
NOT_GIVEN: Final = "not given: "
"""How a test is skipped for want of a VMM that no distribution has (schedune_testing.given)."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip in CI into a failure: a green run there means that everything ran."""
    report = yield
    if report.skipped and _in_ci() and not _may_be_skipped(item, call):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI skips nothing: {call.excinfo}"
    return report


def _may_be_skipped(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    told = str(call.excinfo.value) if call.excinfo else ""
    return ALLOWED_TO_SKIP in item.path.parts or told.startswith(NOT_GIVEN)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
