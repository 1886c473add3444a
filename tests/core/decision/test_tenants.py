"""What one tenant is told holds no name of another tenant's things, whatever stands in the way."""

import json
from typing import Any

import pytest

from schedune.api.policy import AntiAffinity, WorkloadSelector
from schedune.codes.table import TABLE
from schedune.decision.decide import decide
from schedune.decision.evaluation import evaluation_of
from schedune.decision.explanation import Explanation
from schedune.decision.sentence import headline
from schedune.decision.why import why_lines
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import ClaimRecord
from schedune.fleet.peers import Peer
from schedune.fleet.quota import Quota
from schedune_testing.nodes import NOW, facts, intent, node

THEIRS = "secretive"
"""In every name of the other tenant: namespace, workload, disk, UID, label."""
GIBI = 2**30
SELECTOR = {"matchLabels": {"app": "web"}}
EVERY_WEB = AntiAffinity(
    topology_key="zone", workload_selector=WorkloadSelector(match_labels={"app": "web"})
)
DISK: dict[str, Any] = {
    "name": "data", "source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Persistent",
}  # fmt: skip
WANTS: dict[str, dict[str, Any]] = {
    "nothing special": {},
    "more than there is": {"resources": {"vcpus": 8, "memory": "15Gi"}},
    "to keep away": {
        "placement": {"antiAffinity": [{"topologyKey": "zone", "workloadSelector": SELECTOR}]}
    },
    "to be spread": {
        "placement": {
            "topologySpread": [
                {
                    "topologyKey": "zone",
                    "maxSkew": 1,
                    "whenUnsatisfiable": "DoNotSchedule",
                    "workloadSelector": SELECTOR,
                }
            ]
        }
    },
    "its disk": {"disks": [DISK]},
    "another class": {"placement": {"compatibilityClasses": ["ArmProduction"]}},
    "a capability": {"placement": {"requiredCapabilities": ["hardware_tpm"]}},
}


def crowded(name: str) -> dict[str, Any]:
    """Return facts of a node that is full of another tenant's things."""
    alarm = {
        "code": "ORPHANS_PRESENT",
        "severity": "Warning",
        "onsetTime": "2026-11-24T11:00:00Z",
        "message": f"a VMM of {THEIRS}/vm",
    }
    return facts(
        name,
        liveVMs=[
            {
                "placementUID": f"{THEIRS}-p",
                "workloadUID": f"{THEIRS}-w",
                "namespace": THEIRS,
                "name": THEIRS,
            }
        ],
        persistentDisks=[
            {
                "namespace": THEIRS,
                "namespaceUID": f"{THEIRS}-n",
                "workload": THEIRS,
                "disk": "data",
                "sizeBytes": 1,
            }
        ],
        orphans=[
            {
                "class": "leaked",
                "pid": 7,
                "startTime": 1,
                "bootID": "b",
                "message": f"the VM {THEIRS}/vm",
            }
        ],
        health={"state": "Degraded", "alarms": [alarm]},
    )


def a_fleet() -> Fleet:
    labels = {"zone": "a"}
    fleet = Fleet.of([node("a", crowded("a"), labels=labels), node("b", labels={"zone": "b"})])
    for at in ("a", "b"):
        claim = ClaimRecord(
            at, f"{THEIRS}-{at}", 4, 8 * GIBI, guest_bytes=8 * GIBI, namespace=THEIRS,
            workload_uid=f"{THEIRS}-w", peer=Peer({"app": "web", "owner": THEIRS}, (EVERY_WEB,)),
        )  # fmt: skip
        fleet.reserve(claim)
    fleet.quotas = {THEIRS: Quota(vcpus=8), "default": Quota(vcpus=1)}
    return fleet


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("drained", [False, True])
def test_no_name_of_another_tenant_is_told(want: str, *, drained: bool) -> None:
    fleet = a_fleet()
    if drained:
        fleet.update(node("b", crowded("b"), scheduling="Draining", labels={"zone": "b"}))
    explanation = Explanation(decide(fleet, intent(**WANTS[want]), now=NOW))
    for placed in (False, True):
        told = json.dumps(evaluation_of(explanation, placed=placed).render())
        assert THEIRS not in told
    assert THEIRS not in "\n".join([headline(explanation), *why_lines(explanation)])
    assert explanation.decision.chosen is None, "something is told: nothing is eligible"


def test_the_search_for_names_can_fail() -> None:
    """A tenant's own workload is named by its placement: so would another's be."""
    fleet = a_fleet()
    fleet.quotas = {}
    labels = {"app": "web"}
    own = ClaimRecord("b", "own-placement", 1, 1, namespace="default", peer=Peer(labels))
    fleet.reserve(own)
    explanation = Explanation(decide(fleet, intent(**WANTS["to keep away"]), now=NOW))
    assert "own-placement" in "\n".join(why_lines(explanation))
    assert TABLE["REJECT_ANTI_AFFINITY"].code in str(evaluation_of(explanation).render())
