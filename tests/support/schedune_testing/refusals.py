"""Tables of what the API server refuses: one request a row, and the words of the refusal.

The tables are YAML beside the cluster tests. ``send`` is a method and a path, whose first
part is one of the collections below or an absolute path; ``$UID`` and ``$OTHER`` stand for
the UIDs of the two Nodes, ``$NEW`` for that of a third,
``$PLACEMENT`` and ``$WORKLOAD`` for whole new objects, ``$HELD`` for what is there with one
line of its status changed.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import yaml

from schedune_testing.control_plane import Answer
from schedune_testing.manifests import minimal_workload
from schedune_testing.speaking import AGENTS, APPLY, JSON, MERGE, STEPS, SYSTEM, Speaker
from schedune_testing.two_nodes import LEASES_HERE, PLACEMENTS, TRUTHS, WORKLOADS, TwoNodes

FOLDER: Final = Path(__file__).resolve().parents[2] / "cluster" / "refusals"
_FORMS: Final = {"create": JSON, "merge": MERGE, "apply": APPLY, "steps": STEPS}
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_PATHS: Final = {
    "truths": TRUTHS,
    "placements": PLACEMENTS,
    "workloads": WORKLOADS,
    "heartbeats": LEASES_HERE,
    "leases-in-default": _LEASES.format("default"),
    "leases-of-kubelets": _LEASES.format("kube-node-lease"),
    "leases-of-operator": _LEASES.format(SYSTEM),
    "nodes": "/api/v1/nodes",
    "agents": f"/api/v1/namespaces/{AGENTS}",
}
_COLLECTION: Final = re.compile(r"^[a-z-]+")
_GENERATED: Final = re.compile(r"(?<=node-a)[a-z0-9]{5}\b")
_UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREAMBLE: Final = re.compile(r".*?( denied request: | is forbidden: (?=User ))", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """One request, and why it is refused."""

    named: str
    send: str
    says: frozenset[str]
    """One of these; two where two policies refuse the same: which is told first is chance."""
    body: object
    form: str

    def __str__(self) -> str:
        return self.named

    def ask(self, speaker: Speaker, nodes: TwoNodes) -> Answer:
        """Send the request."""
        method, place = self.send.split()
        path = _COLLECTION.sub(lambda found: _PATHS[found[0]], place)
        path += "?fieldManager=schedune-agent&force=true" if self.form == "apply" else ""
        return speaker.ask(method, path, self._body(nodes, path), _FORMS[self.form])

    def _body(self, nodes: TwoNodes, path: str) -> object:
        if self.body == "$PLACEMENT":
            return nodes.binding("forged")
        if self.body == "$WORKLOAD":
            return minimal_workload("forged")
        if self.body == "$HELD":
            held = nodes.admin.must("GET", path.removesuffix("/status"))
            return {**held, "status": {**held.get("status", {}), "why": ["said by another"]}}
        text = Template(json.dumps(self.body))
        return json.loads(text.substitute(UID=nodes.uid, OTHER=nodes.other_uid, NEW=nodes.new_uid))


def refusals(table: str) -> list[Refusal]:
    """Return the rows of a table."""
    rows = yaml.safe_load((FOLDER / f"{table}.yaml").read_text())
    return [
        Refusal(
            named=row["try"],
            send=row["send"],
            says=frozenset({row["says"], row.get("or", row["says"])}),
            body=row.get("body"),
            form=row.get("form", "create"),
        )
        for row in rows
        if "try" in row
    ]


def words(answer: Answer) -> str:
    """Return why a request was refused: without preamble, UIDs and generated names."""
    text = _PREAMBLE.sub("", answer.message, count=1)
    return _GENERATED.sub("<generated>", _UID.sub("<UID>", text))
