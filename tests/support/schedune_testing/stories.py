"""Small worlds for tests: a node, an intent, and what the decision says of them.

The stories of all codes are in tests/golden.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schedune.api.vmworkload import VMWorkloadStatus
from schedune.decision.decide import decide
from schedune.decision.explanation import Explanation
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune_testing.nodes import NOW, facts, node, workload


@dataclass(frozen=True)
class Story:
    """One node, one workload, and what is remembered of it."""

    record: NodeRecord
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    def intent(self) -> Intent:
        """Return the parsed intent."""
        read = read_workload(workload(**self.spec))
        assert not isinstance(read, tuple), read
        parsed = parse_intent(read, VMWorkloadStatus.model_validate(self.status))
        assert isinstance(parsed, Intent), parsed
        return parsed

    def explanation(self) -> Explanation:
        """Decide and explain."""
        return Explanation(decide(Fleet.of([self.record]), self.intent(), now=NOW))

    def codes(self) -> list[str]:
        """Return the codes against the node."""
        explanation = self.explanation()
        rejected = explanation.rejected.tolist()
        return [one.reason.row.code for row in rejected for one in explanation.causes(row)]


def codes_against(record: NodeRecord, **spec: Any) -> list[str]:
    """Return the codes against one node for an intent."""
    return Story(record, spec).codes()


def with_facts(name: str = "n", **changes: Any) -> NodeRecord:
    """Return a healthy node with other facts."""
    return node(name, facts(name, **changes))
