"""Are the files that the guest uses on the node, and what they must be?"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from schedune.codes.row import Reason
from schedune.eligibility.disks import holds_disk
from schedune.eligibility.finding import Finding, Question, by_value
from schedune.fleet.column import Mask
from schedune.launch.artifacts import Found, judge_artifact
from schedune.launch.needs import ArtifactNeed


def check_artifacts(question: Question) -> Iterable[Finding]:
    """Object, for each file, where it is missing or wrong: for the node's own architecture.

    A Persistent disk that a node holds is made of nothing there any more.
    """
    view = question.view
    architectures = sorted(set(view.fleet.coded["architecture"].values))
    for need, uses in _uses_of(question.intent.needs.artifacts).items():
        needing = _needing(question, uses)
        column = view.fleet.keyed("artifact", need.name)
        for architecture in architectures:
            here = needing & view.ask("architecture", partial(_is, architecture))
            judge = partial(_judge, need, architecture)
            yield from by_value(question, f"artifact/{need.name}", column, judge, among=here)


def _uses_of(needs: Iterable[ArtifactNeed]) -> dict[ArtifactNeed, set[str]]:
    """Return each file with the Persistent disks that are made of it; "": it is used itself."""
    uses: dict[ArtifactNeed, set[str]] = {}
    for one in needs:
        uses.setdefault(replace(one, made=""), set()).add(one.made)
    return uses


def _needing(question: Question, uses: Collection[str]) -> Mask:
    """Say of which nodes it is known, and where a file is needed: not all is made of it."""
    view = question.view
    if "" in uses:
        return view.known
    held = (
        all(holds_disk(view.node(at), question.intent, disk) for disk in uses)
        for at in range(len(view))
    )
    return np.asarray(view.known & ~np.fromiter(held, np.bool_, len(view)), np.bool_)


def _is(wanted: str, found: str) -> bool:
    return wanted == found


def _judge(need: ArtifactNeed, architecture: str, found: object) -> Reason | None:
    return judge_artifact(need, cast("Found", found), architecture)
