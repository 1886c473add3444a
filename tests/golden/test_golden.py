"""Golden decisions: YAML in, the expected decision beside it, one story a file.

Each file is what a user would have: manifests of a fleet and of a workload, read by
``schedune explain``. Every code that rejects a node has a story of its own, so that whoever
has only this repository sees every rule at work.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from schedune.codes.row import Stage
from schedune.codes.table import TABLE
from schedune_cli.commands.explain import explain

HERE = Path(__file__).resolve().parent
STORIES = sorted(HERE.glob("*.yaml"))
WORKLOAD = "vm"
TWO_CAUSES = {"REJECT_ARCHITECTURE_UNKNOWN"}
"""Without CPU facts an artefact's architecture cannot be judged either: never alone."""


def expectation(story: Path) -> dict[str, Any]:
    documents = yaml.safe_load_all(story.read_text())
    return next(one for one in documents if one["kind"] == "Expectation")


def told_by_explain(story: Path, expected: dict[str, Any], folder: Path) -> dict[str, Any]:
    arguments = [WORKLOAD, "-f", str(story), "--truth", str(story), "--now", expected["now"]]
    if "policy" in expected:
        policy = folder / "policy.yaml"
        policy.write_text(yaml.safe_dump(expected["policy"]))
        arguments += ["--policy", str(policy)]
    result = CliRunner().invoke(explain, [*arguments, "-o", "json"])
    assert result.exit_code in (0, 1, 3), result.output
    (item,) = json.loads(result.stdout)["items"]
    return dict(item)


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_decision_is_the_one_beside_it(story: Path, tmp_path: Path) -> None:
    expected = expectation(story)
    told = told_by_explain(story, expected, tmp_path)
    rejected = {
        node["nodeName"]: [
            {name: cause[name] for name in ("code", "message", "change")}
            for cause in node["objections"]
        ]
        for node in told["nodes"]
        if node["verdict"] == "Rejected"
    }
    eligible = [one["nodeName"] for one in told["nodes"] if one["verdict"] != "Rejected"]
    assert eligible == expected["eligible"]
    assert rejected == expected["rejected"]
    causes = [cause for node in told["nodes"] for cause in node["objections"]]
    assert all(cause["observed"] and cause["required"] for cause in causes)


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_story_is_about_the_code_it_is_named_for(story: Path) -> None:
    code = story.stem.upper()
    assert TABLE[code].cause == expectation(story)["story"]
    (given,) = expectation(story)["rejected"]["n"]
    assert given["code"] == code
    assert "{" not in given["message"]


def test_every_code_that_rejects_a_node_has_a_story() -> None:
    stages = (Stage.ELIGIBILITY, Stage.LAUNCH_VALIDATION)
    codes = {row.code for row in TABLE.values() if row.stage in stages}
    assert codes - {story.stem.upper() for story in STORIES} == TWO_CAUSES
