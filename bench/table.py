"""The table that every measurement prints: what, measured, bound."""

import os
import platform
import sys
from typing import Final

MEBI: Final = 2**20


def tell(what: str, value: str, bound: str = "") -> None:
    """Print one row of the table."""
    sys.stdout.write(f"{what:<58} {value:>18}   {bound}\n")
    sys.stdout.flush()


def tell_machine(when: str) -> None:
    """Print on what it was measured and how busy that was with other things."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    tell(f"{when}: load average of {os.cpu_count()} CPUs", load, platform.release())


def mebi(size: float) -> str:
    """Render bytes as MiB."""
    return f"{size / MEBI:.1f} MiB"


def share(cpu_s: float, wall_s: float) -> str:
    """Render CPU seconds in a while as the share of one core."""
    return f"{100 * cpu_s / wall_s:.2f} %"
