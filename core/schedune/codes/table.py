"""The whole table, assembled from the stages' rows."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schedune.codes import (
    alarms,
    eligibility,
    execution,
    host_probes,
    imported,
    intent,
    launch,
    placement,
    probes,
    recovery,
    summary,
)
from schedune.codes.row import Row


def _rows() -> dict[str, Row]:
    modules = (
        intent, eligibility, placement, launch, summary, execution, recovery, probes, imported,
        host_probes, alarms,
    )  # fmt: skip
    return {
        value.code: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Row)
    }


TABLE: Final[Mapping[str, Row]] = MappingProxyType(_rows())
"""Every row by its code."""
