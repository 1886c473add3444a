"""The tiers of the Makefile run what they say: pytest passes over a file that was given twice."""

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_check_of_the_real_node_is_run_by_its_tier() -> None:
    told = subprocess.run(
        ["/usr/bin/make", "-n", "test-daemonset"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    (line,) = (one for one in told.splitlines() if "pytest" in one)
    arguments = [one for one in shlex.split(line) if one.startswith("tests/")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    collected = {one.partition("::")[0] for one in done.stdout.splitlines() if "::" in one}
    files = {str(one.relative_to(ROOT)) for one in (ROOT / "tests" / "daemonset").glob("*_*.py")}
    assert collected == files
