"""What is written of a truth: no more than says something, and never too much."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schedune.api.nodetruth import NodeTruthStatus
from schedune_agent.published import MOST_BYTES, publish_form

NOW = "2026-11-25T12:00:00Z"
EARLIER = "2026-11-25T11:00:00Z"


def facts(**parts: Any) -> NodeTruthStatus:
    return NodeTruthStatus.model_validate({"observedTime": NOW, **parts})


def capability(name: str, state: str, **more: Any) -> dict[str, Any]:
    code = {"name": name, "state": state, "reasonCode": "CAP_KVM_SUPPORTED", "message": "in words"}
    return {**code, **more}


def artifact(number: int) -> dict[str, Any]:
    return {
        "name": f"{number:02}-".ljust(128, "n"), "kind": "Disk", "format": "Raw",
        "sizeBytes": 2**40, "evidence": "e" * 256, "sha256": "0" * 64, "refusal": "r" * 200,
    }  # fmt: skip


def live(number: int) -> dict[str, Any]:
    uid = f"00000000-0000-0000-0000-{number:012}"
    return {"placementUID": uid, "workloadUID": uid, "namespace": "n" * 63, "name": "v" * 63}


def orphan(number: int) -> dict[str, Any]:
    return {
        "class": "leaked", "pid": number + 1, "startTime": 1, "bootID": "b" * 36,
        "code": "ERR_ORPHAN_STALE_ARTIFACT_STATE", "message": "m" * 400,
    }  # fmt: skip


def size(body: dict[str, object]) -> int:
    return len(json.dumps(body, separators=(",", ":")))


def test_a_plain_yes_needs_no_words_and_the_time_of_the_whole_is_told_once() -> None:
    told = [capability("a", "Supported"), capability("b", "Unknown")]
    assert publish_form(facts(capabilities=told))["capabilities"] == [
        {"name": "a", "state": "Supported", "reasonCode": "CAP_KVM_SUPPORTED"},
        capability("b", "Unknown"),
    ]


def test_what_was_observed_at_another_time_says_so() -> None:
    told = [capability("a", "Supported", observedTime=EARLIER)]
    (shown,) = publish_form(facts(capabilities=told))["capabilities"]  # type: ignore[misc]
    assert shown["observedTime"] == EARLIER


def test_what_grows_old_by_itself_always_says_when_it_was_observed() -> None:
    told = [capability("a", "Supported", staleAfterSeconds=60)]
    (shown,) = publish_form(facts(capabilities=told))["capabilities"]  # type: ignore[misc]
    assert shown["observedTime"] == NOW


def test_whoever_reads_it_finds_the_time_of_each_capability_again() -> None:
    told = [capability("a", "Unknown"), capability("b", "Unknown", observedTime=EARLIER)]
    read = NodeTruthStatus.model_validate(publish_form(facts(capabilities=told)))
    hours = [one.observed_time.hour for one in read.capabilities]
    assert hours == [12, 11]
    assert read.capabilities[0].observed_time == datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_probes_are_told_only_where_they_did_not_succeed() -> None:
    runs = [
        {"name": "cpu", "outcome": "Succeeded", "durationMilliseconds": 1},
        {"name": "disks", "outcome": "TimedOut", "durationMilliseconds": 3000},
    ]
    assert publish_form(facts(probes=runs))["probes"] == runs[1:]


def test_evidence_goes_before_any_artefact_does() -> None:
    body = publish_form(facts(artifacts=[artifact(n) for n in range(52)]))
    shown = body["artifacts"]
    assert isinstance(shown, list)
    assert (len(shown), shown[0]["evidence"]) == (52, "")
    assert "artifactsTruncated" not in body


@pytest.mark.parametrize("hidden", [0, 3])
def test_artefacts_that_do_not_fit_are_counted_as_not_listed(hidden: int) -> None:
    body = publish_form(
        facts(
            artifacts=[artifact(n) for n in range(64)],
            **({"artifactsTruncated": hidden} if hidden else {}),
        )
    )
    shown = body["artifacts"]
    assert isinstance(shown, list)
    assert 0 < len(shown) < 64
    assert body["artifactsTruncated"] == 64 - len(shown) + hidden
    assert size(body) <= MOST_BYTES


def test_of_many_orphans_the_most_urgent_are_kept_and_live_vms_all_of_them() -> None:
    body = publish_form(
        facts(
            artifacts=[artifact(n) for n in range(64)],
            orphans=[orphan(n) for n in range(64)],
            liveVMs=[live(n) for n in range(90)],
        )
    )
    orphans, vms = body["orphans"], body["liveVMs"]
    assert isinstance(orphans, list)
    assert isinstance(vms, list)
    assert [one["pid"] for one in orphans] == list(range(1, 9))
    assert body["orphansTruncated"] == 56
    assert len(vms) == 90
    assert size({**body, "liveVMs": []}) <= MOST_BYTES


def test_however_many_vms_live_there_every_artefact_is_told() -> None:
    body = publish_form(facts(artifacts=[artifact(0)], liveVMs=[live(n) for n in range(512)]))
    assert body["artifacts"] == facts(artifacts=[artifact(0)]).render()["artifacts"]
    assert "artifactsTruncated" not in body
