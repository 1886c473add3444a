"""What all commands share: help, names, completion."""

import os
import subprocess
import sys

import pytest

from schedune_testing.recordings import Files, run, truth, workload

COMMANDS = (
    "explain", "why-not", "nodes", "simulate", "snapshot", "truth", "doctor", "completion",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_of_the_command(command: str) -> None:
    told = run(command, "--help")
    assert told.exit_code == 0
    assert f"    schedune {command}" in told.stdout


def test_every_command_is_listed_with_what_it_does() -> None:
    told = run("--help").stdout
    for command in COMMANDS:
        assert f"  {command} " in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell: str) -> None:
    told = run("completion", shell)
    assert told.exit_code == 0
    assert "_SCHEDUNE_COMPLETE" in told.stdout


def test_completion_of_an_unknown_shell_is_refused() -> None:
    assert run("completion", "tcsh").exit_code == 2


def test_the_script_gets_the_names_of_commands_and_options() -> None:
    code = "import sys; sys.argv[0] = 'schedune'; from schedune_cli.main import main; main()"
    said = {}
    for words, number in (("schedune ex", 1), ("schedune explain --tr", 2)):
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "_SCHEDUNE_COMPLETE": "bash_complete", "COMP_WORDS": words,
                 "COMP_CWORD": str(number)},
        )  # fmt: skip
        said[words] = told.stdout.split()
    assert said == {"schedune ex": ["plain,explain"], "schedune explain --tr": ["plain,--truth"]}


def test_explaining_loads_nothing_of_the_lab(files: Files) -> None:
    files.write("vm.yaml", workload())
    files.write("fleet.yaml", truth("a"))
    code = (
        "import sys\nfrom schedune_cli.main import main\n"
        "sys.argv = ['schedune', 'explain', '-f', 'vm.yaml', '--truth', 'fleet.yaml']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([one for one in sys.modules if one.startswith('schedune_lab')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=files.folder
    )
    assert told.stdout.splitlines()[-1] == "[]"


def test_output_that_nobody_reads_any_more_is_no_defect(files: Files) -> None:
    files.write("vm.yaml", *(workload(f"vm{number}") for number in range(300)))
    files.write("fleet.yaml", *(truth(f"n{number}") for number in range(12)))
    code = "from schedune_cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "explain", "-f", "vm.yaml", "--truth", "fleet.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=files.folder,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"error" not in process.stderr.read()
