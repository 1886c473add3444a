"""Every fact of a truth becomes a row, also facts that no version of the page has heard of."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import Field

from schedune.api.base import StatusModel, Time
from schedune.api.nodetruth import NodeTruthStatus
from schedune.examination.facts import FactRow, readable_bytes, rows_of
from schedune.examination.keys import keys_of
from schedune_testing.nodes import facts

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Cell(StatusModel):
    """A part of a part."""

    cell: int
    """Its number."""
    memory_bytes: int
    """Its memory."""


class Numa(StatusModel):
    """A kind of fact that comes later."""

    policy: Literal["Strict", "Loose"]
    """A choice."""
    cells: list[Cell] = Field(default_factory=list)
    """A list within."""
    latency_milliseconds: int = 0
    """A number with a unit."""
    source: str = ""
    """Where it was seen."""
    observed_time: Time
    """When."""


class LaterStatus(NodeTruthStatus):
    """A truth with a fact that comes later."""

    numa: Numa | None = None
    """It."""
    thermal_zones: list[Cell] = Field(default_factory=list)
    """A list of it."""


def later(**values: Any) -> dict[tuple[str, str], FactRow]:
    told = rows_of(LaterStatus.model_validate(values), NOW)
    return {(row.group, row.name): row for row in told.rows}


def test_a_fact_that_comes_later_is_told_without_being_named_anywhere() -> None:
    numa = {
        "policy": "Strict",
        "cells": [{"cell": 0, "memoryBytes": 2**31}, {"cell": 1, "memoryBytes": 2**30}],
        "latencyMilliseconds": 7,
        "source": "/sys/devices/system/node",
        "observedTime": NOW - timedelta(seconds=90),
    }
    rows = later(numa=numa)
    assert rows["numa", "policy"].value == "Strict"
    assert rows["numa", "cells 0"].value == "memory 2Gi"
    assert rows["numa", "cells 1"].value == "memory 1Gi"
    assert rows["numa", "latency"].value == "7 ms"
    assert rows["numa", "policy"].how == "/sys/devices/system/node; 1 min 30 s ago"


def test_what_is_not_there_is_named_apart_from_what_nobody_said() -> None:
    told = rows_of(LaterStatus(), NOW)
    assert "thermal zones" in told.absent
    assert "numa" in told.unknown
    assert told.rows == []


def test_every_field_of_a_truth_is_a_row_or_named() -> None:
    status = NodeTruthStatus.model_validate(facts("n"))
    told = rows_of(status, NOW)
    groups = {row.group for row in told.rows} | {*told.absent, *told.unknown}
    assert groups == {name.replace("_", " ") for name in NodeTruthStatus.model_fields}


def test_the_elements_of_a_list_are_told_by_name_with_all_that_is_known_of_them() -> None:
    status = NodeTruthStatus.model_validate(facts("n"))
    rows = {(row.group, row.name): row.value for row in rows_of(status, NOW).rows}
    assert rows["artifacts", "kernel"] == "kind Kernel; format BzImage; size 1; architecture amd64"
    assert "accelerations KVM, Emulated" in rows["backends", "QEMU"]


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "0"), (1023, "1023"), (1536, "1.5Ki"), (25276510208, "23.5Gi"), (2**40, "1Ti")],
)
def test_bytes_are_written_as_people_read_them(amount: int, told: str) -> None:
    assert readable_bytes(amount) == told


def test_elements_are_kept_apart_by_as_few_fields_as_do() -> None:
    cells = [Cell(cell=1, memory_bytes=5), Cell(cell=2, memory_bytes=5)]
    assert keys_of(cells).names == (("1", "2"),)
    alike = [Cell(cell=1, memory_bytes=5), Cell(cell=1, memory_bytes=6)]
    assert keys_of(cells, alike).names == (("1/5", "2/5"), ("1/5", "1/6"))


def test_elements_that_are_alike_in_everything_are_numbered() -> None:
    twins = [Cell(cell=1, memory_bytes=5)] * 2
    assert keys_of(twins).names == (("1/5", "1/5 #2"),)
    assert keys_of([]).names == ((),)
