"""Are the files that the guest uses on the node, and what they must be?"""

from collections.abc import Iterable
from functools import partial
from typing import cast

from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question, by_value
from schedune.launch.artifacts import Found, judge_artifact
from schedune.launch.needs import ArtifactNeed


def check_artifacts(question: Question) -> Iterable[Finding]:
    """Object, for each file, where it is missing or wrong: for the node's own architecture."""
    view = question.view
    architectures = sorted(set(view.fleet.coded["architecture"].values))
    for need in dict.fromkeys(question.intent.needs.artifacts):
        column = view.fleet.keyed("artifact", need.name)
        for architecture in architectures:
            here = view.known & view.ask("architecture", partial(_is, architecture))
            judge = partial(_judge, need, architecture)
            yield from by_value(question, f"artifact/{need.name}", column, judge, among=here)


def _is(wanted: str, found: str) -> bool:
    return wanted == found


def _judge(need: ArtifactNeed, architecture: str, found: object) -> Reason | None:
    return judge_artifact(need, cast("Found", found), architecture)
