"""Are the files that the guest boots from on the node, and for its architecture?"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from schedune.api.nodetruth import ArtifactKind
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, by_row
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune.launch.needs import ArtifactNeed, judge_artifact


def check_artifacts(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object, for each artefact of its own, where it is missing or wrong."""
    for need in artifact_needs(intent):
        answers = [_judge(need, fleet, index) for index in range(len(fleet))]
        yield from by_row(f"artifact/{need.name}", answers)


def artifact_needs(intent: Intent) -> Iterator[ArtifactNeed]:
    """List the files that the intent boots from."""
    boot = intent.spec.boot
    for reference, kind in ((boot.kernel, ArtifactKind.KERNEL), (boot.initrd, ArtifactKind.INITRD)):
        if reference is not None:
            yield ArtifactNeed(reference.artifact, kind, reference.sha256)


def _judge(need: ArtifactNeed, fleet: Fleet, index: int) -> Reason | None:
    facts = fleet.facts(index)
    if facts is None or not fleet.known[index]:
        return None
    return judge_artifact(need, facts)
