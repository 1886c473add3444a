"""Is the node of the kind that the guest needs?"""

from collections.abc import Iterable
from datetime import datetime

from schedune.api.vmworkload import Architecture
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent


def check_architecture(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object to another architecture than the intent's, and to an unknown one."""
    wanted = intent.architecture
    unknown = fleet.known & (fleet.architecture == "")
    yield Finding(
        "architectureKnown",
        codes.ARCHITECTURE_UNKNOWN,
        unknown,
        lambda index: Reason(codes.ARCHITECTURE_UNKNOWN, "unknown", wanted.value),
    )
    if wanted is not Architecture.ANY:
        yield Finding(
            "architecture",
            codes.ARCHITECTURE_MISMATCH,
            fleet.known & ~unknown & (fleet.architecture != wanted.value),
            lambda index: Reason(
                codes.ARCHITECTURE_MISMATCH, str(fleet.architecture[index]), wanted.value
            ),
            bound=lambda index: f"architecture {fleet.architecture[index]} or Any",
        )
