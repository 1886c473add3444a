"""docs/doctor.md and README: they call what there is, and what they show is real."""

import re
import shlex

import pytest

from schedune_testing.recordings import ROOT, Files, run, truth

PAGE = (ROOT / "docs/doctor.md").read_text()
CALLS = re.findall(r"^    (schedune (?:doctor|truth)[^\n]*)$", PAGE, re.MULTILINE)
KVM = {
    "name": "kvm_vm_launch", "state": "Unavailable", "reasonCode": "CAP_KVM_RUNS_NO_GUEST",
    "source": "/dev/kvm", "method": "ran a guest",
    "observedTime": "2026-11-24T12:00:00Z",
    "message": "the KVM device opens, but runs no guest:"
    " emulated: KVM_EXIT_INTERNAL_ERROR, suberror 1; its module is kvm_pvm;"
    " the processor shows neither vmx nor svm",
}  # fmt: skip


@pytest.mark.parametrize("line", sorted(set(CALLS)))
def test_a_command_of_the_page_has_the_options_that_it_is_called_with(line: str) -> None:
    told = run(*shlex.split(line)[1:], "--help")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("Usage: schedune")


def test_every_option_of_this_machine_stands_on_the_page() -> None:
    told = run("doctor", "--help").stdout
    own = set(re.findall(r"--(?:image|run|state|settings|acceleration|backend)[a-z-]*", told))
    assert len(own) == 6
    assert own <= set(re.findall(r"--[a-z-]+", PAGE))


def test_what_the_readme_shows_is_what_such_a_machine_is_told(files: Files) -> None:
    files.write("fleet.yaml", truth("a", capabilities=[KVM]))
    shown = re.search(r"```text\n(Problems\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] in run("doctor", "a", "--truth", "fleet.yaml").stdout
