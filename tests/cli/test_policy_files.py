"""The policy of a file of its own, or of the operator's settings: what is neither is refused."""

import pytest

from schedune_cli.reading.policy import SETTINGS
from schedune_operator.settings import OperatorSettings
from schedune_testing.recordings import ROOT, Files, run, truth, workload

SHIPPED = ROOT / "manifests/base/operator-settings.yaml"


@pytest.fixture
def fleet(files: Files) -> Files:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"))
    return files


def test_the_fields_of_settings_are_those_of_the_operator() -> None:
    assert {field.alias for field in OperatorSettings.model_fields.values()} == SETTINGS


@pytest.mark.usefixtures("fleet")
def test_settings_as_shipped_hold_the_default_policy() -> None:
    told = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml", "--policy", SHIPPED)
    assert (told.exit_code, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tickSeconds: 5\nprofile: Pack\n", "2: profile: is a field of the policy (got 'Pack')"),
        ("tickSeconds: 5\npolcy: {}\n", "2: polcy: there is no such field (got {}); did you mean"),
        ("policy: {}\nsomething: 1\n", "2: something: there is no such field (got 1)"),
        ("policy:\n  max_vms_per_node: 3\n", "2: max_vms_per_node: there is no such field"),
        ("profle: Pack\n", "1: profle: there is no such field (got 'Pack'); did you mean profile?"),
        ("clockSkewSeconds: true\n", "1: clockSkewSeconds: must be an integer, not a boolean"),
        ("[1]\n", "1: must be an object, not a list"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_its_line(text: str, told: str, fleet: Files) -> None:
    fleet.text("policy.yaml", text)
    said = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml", "--policy", "policy.yaml")
    assert said.exit_code == 2
    assert f"policy.yaml:{told}" in said.stderr


@pytest.mark.parametrize("text", ["# nothing\n", "{}\n", "policy: {}\n", "policy:\n"])
def test_an_empty_policy_is_the_default(text: str, fleet: Files) -> None:
    fleet.text("policy.yaml", text)
    said = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml", "--policy", "policy.yaml")
    assert (said.exit_code, said.stderr) == (0, "")
