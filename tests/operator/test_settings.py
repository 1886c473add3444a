"""What the operator is told, by its file and by its arguments."""

from pathlib import Path

import pytest

from schedune_kube.settings import SettingsError
from schedune_operator.settings import AdmissionSettings, read_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "operator.yaml"


def test_an_argument_turns_admission_on_and_leaves_the_rest_to_the_file(file: Path) -> None:
    file.write_text("policy: {profile: Pack}\n")
    assert read_settings(file).admission is None
    found = read_settings(file, answers_at_apply=True)
    assert found.admission == AdmissionSettings()
    assert found.policy.profile == "Pack"
    assert read_settings(None, answers_at_apply=True).admission == AdmissionSettings()


def test_what_the_file_says_of_admission_holds_beside_the_argument(file: Path) -> None:
    file.write_text("admission: {answerSeconds: 3}\n")
    for answers in (False, True):
        said = read_settings(file, answers_at_apply=answers).admission
        assert said is not None
        assert said.answer_seconds == 3


@pytest.mark.parametrize(
    ("leader", "harm"),
    [
        ("{renewDeadlineSeconds: 60}", "two may lead at once"),
        ("{durationSeconds: 12}", "two may lead at once"),
        ("{renewDeadlineSeconds: 2, marginSeconds: 3}", "nothing is ever written"),
        ("{renewDeadlineSeconds: 6}", "at least, 7: else writing stops between two renewals"),
        ("{retrySeconds: 4}", "at least, 11: else writing stops between two renewals"),
    ],
)
def test_times_with_which_two_would_lead_or_none_are_refused(
    file: Path, leader: str, harm: str
) -> None:
    file.write_text(f"leader: {leader}\n")
    with pytest.raises(SettingsError, match=harm):
        read_settings(file)


def test_heartbeats_are_not_looked_at_more_rarely_than_they_may_be_missed(file: Path) -> None:
    """An agent's Lease lasts 180 s: looked at each 300 s every node would seem silent."""
    file.write_text("leasePollSeconds: 300\n")
    with pytest.raises(SettingsError, match="leasePollSeconds"):
        read_settings(file)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("lease_poll_seconds: 30", "lease_poll_seconds: .*did you mean leasePollSeconds"),
        ("leader: {duration_seconds: 20}", "leader.duration_seconds: .*durationSeconds"),
        ("policy: {max_vms_per_node: 3}", "policy.max_vms_per_node: .*maxVMsPerNode"),
        ("leasePollSeconds: true", "leasePollSeconds: got 'True': must be a number, not a boolean"),
        ("drainAtOnce: true", "drainAtOnce: got 'True': must be an integer, not a boolean"),
        ('drainAtOnce: "4"', "drainAtOnce: got '4': must be an integer, not a string"),
        ("tickSeconds: 1\ntickSecond: 1", "tickSecond: got '1': there is no such field"),
        ("leasePollSeconds: true\noutageNodes: 0", "outageNodes: got '0'.*not a boolean"),
    ],
)
def test_a_field_of_another_spelling_or_type_is_refused_by_name(
    file: Path, said: str, told: str
) -> None:
    file.write_text(f"{said}\n")
    with pytest.raises(SettingsError, match=told):
        read_settings(file)


def test_what_may_be_nowhere_may_be_null_and_seconds_may_be_whole(file: Path) -> None:
    file.write_text("fleetPage: null\nleasePollSeconds: 30\n")
    found = read_settings(file)
    assert (found.fleet_page, found.lease_poll_seconds) == (None, 30.0)


def test_a_backend_has_a_floor_for_each_release_line(file: Path) -> None:
    floors = '{name: Firecracker, minimum: "1.15.1"}, {name: Firecracker, minimum: "1.14.4"}'
    file.write_text(f"policy: {{versionFloors: [{floors}]}}\n")
    assert len(read_settings(file).policy.version_floors) == 2
