"""Two agents by mistake: the second one says so and waits, and goes on when the first is gone."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from schedune_testing.agent_processes import WORKS, StartAgent, agent_processes, until_told

WAITS = "agent.waits-for-another"


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    with agent_processes(tmp_path) as start:
        yield start


@pytest.mark.parametrize(
    ("others", "shared"),
    [({}, "stateDirectory"), ({"state": "another"}, "runDirectory")],
    ids=["all", "run-directory"],
)
def test_the_second_agent_of_a_node_says_so_and_goes_on_when_the_first_was_killed(
    start_agent: StartAgent, others: dict[str, str], shared: str
) -> None:
    """What is in either directory has one agent, whatever the other directory is."""
    first, log = start_agent("first")
    until_told(log, WORKS)
    second, log = start_agent("second", **others)
    told = until_told(log, WAITS)
    time.sleep(3)
    assert WORKS not in log.read_text()
    assert shared in told
    assert log.read_text().count(WAITS) == 1
    assert (first.poll(), second.poll()) == (None, None)
    first.kill()
    first.wait()
    until_told(log, WORKS)


def test_agents_of_different_nodes_do_not_wait_for_each_other(start_agent: StartAgent) -> None:
    _, log = start_agent("one", "state-1", "run-1")
    until_told(log, WORKS)
    _, log = start_agent("other", "state-2", "run-2")
    assert WAITS not in until_told(log, WORKS)


def test_an_authority_that_is_not_there_is_told_by_its_field(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    kubernetes = {"server": "https://127.0.0.1:1", "tokenFile": "/t", "caFile": "/nowhere/ca.crt"}
    file.write_text(yaml.safe_dump({"kubernetes": kubernetes}))
    argv = [sys.executable, "-m", "schedune_agent", "run", "--settings", str(file)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert "caFile /nowhere/ca.crt: No such file or directory" in told.stderr
    assert "Traceback" not in told.stderr
