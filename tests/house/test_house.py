"""The rules of the house that no linter knows (CONTRIBUTING.md)."""

import ast
import logging
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "core/schedune",
    "kube/schedune_kube",
    "operator/schedune_operator",
    "agent-daemonset/schedune_agent",
    "cli/schedune_cli",
    "lab/schedune_lab",
)
LONGEST = 400
GIT = shutil.which("git") or "git"


def _committed(*patterns: str) -> list[Path]:
    told = subprocess.run(
        [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in sorted(told.stdout.split("\0")) if (ROOT / name).is_file()]


def _settings() -> dict[str, dict[str, dict[str, object]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("folder", sorted({path.partition("/")[0] for path in PACKAGES}))
def test_a_deployment_folder_is_not_a_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_the_folder_operator_does_not_shadow_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import collections, operator; operator.eq"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_file_is_readable_in_one_sitting() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in _committed("*.py")}
    too_long = {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > LONGEST}
    assert not too_long


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_is_for_and_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert (ROOT / package / "__init__.py").read_text().startswith('"""')


def test_every_package_ships_and_is_checked() -> None:
    settings = _settings()["tool"]
    assert set(settings["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)
    assert set(settings["mypy"]["packages"]) == {path.partition("/")[2] for path in PACKAGES}


def test_the_directions_of_dependencies_are_written_down() -> None:
    contracts = {one["name"] for one in _settings()["tool"]["importlinter"]["contracts"]}
    assert contracts >= {
        "Nothing points back, and the processes do not know each other",
        "The domain is pure",
        "The domain's nouns stack",
        "kopf stays at the operator's edge",
    }


def test_every_yaml_file_parses() -> None:
    for path in _committed("*.yaml", "*.yml"):
        try:
            list(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError as error:
            pytest.fail(f"{path.relative_to(ROOT)}: {error}")


def test_no_path_of_one_developers_machine_is_committed() -> None:
    forbidden = re.compile(r"(?<![\w.$}-])/(?:work|root)/[\w.]")
    found = []
    for path in _committed():
        if path == Path(__file__) or path.suffix in {".lock", ".sum"}:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
            if forbidden.search(line)
        ]
    assert not found


def test_nothing_is_left_for_later_in_the_text() -> None:
    forbidden = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        str(path.relative_to(ROOT))
        for path in _committed("*.py", "*.sh", "Makefile")
        if path != Path(__file__) and forbidden.search(path.read_text())
    ]
    assert not found


def test_no_log_line_uses_a_name_that_logging_keeps_for_itself() -> None:
    """Such a line raises KeyError, and most are written when something is wrong already."""
    kept = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    found = [
        f"{path.relative_to(ROOT)}:{key.lineno}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for keyword in ast.walk(ast.parse(path.read_text()))
        if isinstance(keyword, ast.keyword) and keyword.arg == "extra"
        for key in getattr(keyword.value, "keys", ())
        if isinstance(key, ast.Constant) and key.value in kept
    ]
    assert not found


def test_the_changelog_keeps_its_form() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    headings = [line for line in lines if line.startswith("## ")]
    assert headings[0] == "## [Unreleased]"
    released = re.compile(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")
    assert all(released.fullmatch(line) for line in headings[1:])
    kinds = {line for line in lines if line.startswith("### ")}
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert kinds <= {f"### {kind}" for kind in allowed}


def test_the_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"^\s*make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= shown <= targets


def test_every_page_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w/.-]+\.md)\)", (ROOT / "README.md").read_text()))
    pages = {str(one.relative_to(ROOT)) for one in (ROOT / "docs").rglob("*.md")}
    assert linked == {one for one in pages if not one.startswith("docs/decisions/")}


def test_every_target_explains_itself_in_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^([a-z-]+):", makefile, re.MULTILINE):
        assert re.search(rf"^{target}:[^#\n]*## \S", makefile, re.MULTILINE), target


def test_every_decision_has_its_four_parts() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for number, path in enumerate(decisions, start=1):
        assert path.name.startswith(f"{number:04d}-"), path.name
        parts = re.findall(r"^## (\w+)", path.read_text(), re.MULTILINE)
        assert parts == ["Status", "Context", "Decision", "Consequences"], path.name
