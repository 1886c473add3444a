"""What the operator is told, by its file and by its arguments."""

from pathlib import Path

import pytest

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
