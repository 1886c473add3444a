"""Temperatures: how far each sensor is from its critical point."""

import os
from pathlib import Path

import pytest

from schedune_agent.probes.family import Part
from schedune_agent.probes.thermal import ThermalFamily
from schedune_agent.system.host_files import HOST
from schedune_testing.recorded import recorded, write

_ZONE = "sys__class__thermal__thermal_zone0__"
_CHIP = "sys__class__hwmon__hwmon2__"


def margins(part: Part) -> dict[str, float]:
    assert not part.facts
    return {one.subject: one.value for one in part.levels}


async def test_a_zone_and_a_chip_tell_the_degrees_that_are_left(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        **{
            f"{_ZONE}type": "x86_pkg_temp\n", f"{_ZONE}temp": "61000\n",
            f"{_ZONE}trip_point_0_type": "passive\n", f"{_ZONE}trip_point_0_temp": "80000\n",
            f"{_ZONE}trip_point_1_type": "critical\n", f"{_ZONE}trip_point_1_temp": "100000\n",
            f"{_CHIP}name": "nvme\n", f"{_CHIP}temp1_input": "83850\n",
            f"{_CHIP}temp1_crit": "84850\n", f"{_CHIP}temp2_input": "40000\n",
        },
    )  # fmt: skip
    assert margins(await ThermalFamily(files)()) == {
        "thermal_zone0 x86_pkg_temp": 39.0,
        "hwmon2 nvme temp1": 1.0,
    }


@pytest.mark.parametrize(
    ("now", "critical"),
    [("hot", "84850"), ("40000", "0"), ("40000", "-1"), ("9999999", "84850"), ("-274000", "84850")],
)
async def test_a_broken_sensor_raises_nothing(now: str, critical: str, tmp_path: Path) -> None:
    files = write(tmp_path, **{f"{_CHIP}temp1_input": now, f"{_CHIP}temp1_crit": critical})
    assert not margins(await ThermalFamily(files)())


async def test_a_sensor_that_cannot_be_read_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        **{
            f"{_CHIP}temp1_crit": "90000", f"{_CHIP}temp2_input": "50000",
            f"{_CHIP}temp2_crit": "90000",
        },
    )  # fmt: skip
    os.mkfifo(tmp_path / f"{_CHIP}temp1_input".replace("__", "/"))
    part = await ThermalFamily(files)()
    assert margins(part) == {"hwmon2  temp2": 40.0}
    assert part.unread == ["sys/class/hwmon/hwmon2/temp1_input: is no regular file"]


@pytest.mark.parametrize("name", ["arm64-server", "intel-skylake-server", "container"])
async def test_a_virtual_machine_has_no_sensors(name: str) -> None:
    assert not margins(await ThermalFamily(recorded(name))())


async def test_this_machine_is_not_on_fire() -> None:
    assert all(margin > 0 for margin in margins(await ThermalFamily(HOST)()).values())
