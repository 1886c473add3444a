"""Read the corpus: cases, envelopes, and the renewal of those that have expired."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[3]
BESIDE: Final = CHECKOUT.parent / "shared" / "conformance" / "cases.json"
"""Where the corpus lies when nobody says otherwise."""
_LIFETIME_S: Final = 300
Document = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One input, and what the original answers."""

    raw: Mapping[str, Any]
    fixtures: Path

    @property
    def name(self) -> str:
        """Its stable id."""
        return str(self.raw["name"])

    @property
    def kind(self) -> str:
        """What is under test."""
        return str(self.raw["kind"])

    @property
    def expected(self) -> Mapping[str, Any]:
        """The original's answer."""
        found: Mapping[str, Any] = self.raw["expected"]
        return found

    @property
    def defect(self) -> str:
        """Why the original is wrong here; "" where it is right."""
        return str(self.raw.get("known_defect", ""))

    @property
    def now(self) -> int:
        """The clock at which the question is asked."""
        return int(self.raw["now_sec"])

    def envelopes(self) -> list[Document]:
        """Return the envelopes of a node kind, renewed as the case says."""
        if "envelopes" in self.raw:
            return copy.deepcopy(self.raw["envelopes"])
        if "envelope" in self.raw:
            return [copy.deepcopy(self.raw["envelope"])]
        named = self.raw["envelope_fixture"]
        files = [named] if isinstance(named, str) else named
        found = [json.loads((self.fixtures / file).read_text()) for file in files]
        how, base = self.raw.get("freshen", "none"), self.raw.get("freshen_base_sec", 0)
        return [freshen(one, how, base) for one in found]


def freshen(envelope: Document, how: str, base: int) -> Document:
    """Renew the times of an envelope (README 4); nothing else changes."""
    if how in ("timestamp", "full"):
        envelope["timestamp_sec"] = base
    if how in ("capabilities", "full"):
        for capability in envelope["capabilities"]:
            capability["observed_at_sec"] = base
            capability["stale_after_sec"] = base + _LIFETIME_S
    return envelope


def read_cases(file: Path) -> Sequence[Case]:
    """Return the cases of a file; fixtures lie beside it, or else beside the checkout's corpus."""
    beside = file.parent / "fixtures"
    fixtures = beside if beside.is_dir() else BESIDE.parent / "fixtures"
    return [Case(raw, fixtures) for raw in json.loads(file.read_text())]
