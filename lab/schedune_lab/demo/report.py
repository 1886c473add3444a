"""The demo's outcome as JSON: what a pipeline reads."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class StepReport:
    """How one step went."""

    name: str
    passed: bool = False
    seconds: float = 0.0
    error: str | None = None

    def render(self) -> dict[str, Any]:
        """Return the JSON form."""
        rendered: dict[str, Any] = {
            "name": self.name,
            "passed": self.passed,
            "seconds": round(self.seconds, 1),
        }
        return rendered | ({"error": self.error} if self.error else {})


@dataclass
class Report:
    """How the demo went, and the facts it found."""

    kubernetes: str = ""
    steps: list[StepReport] = field(default_factory=list)
    payments: dict[str, Any] = field(default_factory=dict)
    backends: dict[str, Any] = field(default_factory=dict)
    vm: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every step passed."""
        return bool(self.steps) and all(step.passed for step in self.steps)

    def write(self, path: Path) -> None:
        """Write the report."""
        content = {
            "kubernetes": self.kubernetes,
            "passed": self.passed,
            "steps": [step.render() for step in self.steps],
            "payments": self.payments,
            "backends": self.backends,
            "vm": self.vm,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
