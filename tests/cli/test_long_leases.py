"""A heartbeat is believed for no longer than the operator believes it, whatever it says itself."""

import pytest

from schedune.fleet.node import MOST_LEASE_SECONDS
from schedune_testing.recordings import ROOT, Files, document, lease, snapshot, whole, workload

PATIENT = {"placement": {"maxTruthAgeSeconds": 3600}}


@pytest.mark.parametrize(
    ("recorded", "verdict"),
    [("2026-11-24T12:15:00Z", "Eligible"), ("2026-11-24T12:15:01Z", "TruthTooOld")],
)
def test_a_heartbeat_that_counts_for_an_hour_by_its_own_word_counts_for_a_quarter(
    files: Files, recorded: str, verdict: str
) -> None:
    *node, _ = whole("a")
    fleet = (*node, lease("a", seconds=3600), workload("vm", **PATIENT))
    files.write("fleet.yaml", snapshot(*fleet, recorded=recorded))
    (told,) = document("explain", "--truth", "fleet.yaml")["items"]
    assert told["verdict"] == verdict


def test_the_agents_setting_says_for_how_long_it_is_believed() -> None:
    lines = (ROOT / "docs/reference/settings.md").read_text().splitlines()
    (told,) = [one for one in lines if one.startswith("| `leaseDurationSeconds`")]
    assert f"believed for {MOST_LEASE_SECONDS} s at most" in told
