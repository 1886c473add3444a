"""docs/gitops.md: the recipes are YAML that calls what there is, and the output is real."""

import re
import shlex

import pytest
import yaml

from schedune_cli.main import schedune
from schedune_testing.recordings import ROOT, Files, run

PAGE = (ROOT / "docs/gitops.md").read_text()
CALL = ("explain", "-f", "deploy/", "--truth", "fleet/")
RECIPES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(
    r"(?<=[ |])schedune (?:explain|snapshot|simulate|why-not|nodes) [^`|#\n]*", PAGE
)


@pytest.fixture
def shop(files: Files) -> None:
    """Make the folder that the page tells of."""
    for source, target in (("payments.yaml", "deploy"), ("fleet/edge-01.yaml", "fleet")):
        text = (ROOT / "examples" / source).read_text()
        files.text(f"{target}/{source.rpartition('/')[2]}", text)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("form", ["junit", "sarif"])
def test_the_page_shows_what_a_form_looks_like(form: str) -> None:
    assert run(*CALL, "-o", form).stdout in PAGE


@pytest.mark.usefixtures("shop")
def test_the_page_shows_what_text_and_annotations_look_like() -> None:
    shown = [line.removeprefix("    ") for line in PAGE.splitlines()]
    assert "\n".join(run(*CALL).stdout.splitlines()) in "\n".join(shown)
    assert run(*CALL, "-o", "github").stdout.splitlines()[0] in PAGE


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.partition("\n")[0][:30])
def test_a_recipe_is_yaml(recipe: str) -> None:
    assert yaml.safe_load(recipe)


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_a_command_of_the_page_has_the_options_that_it_is_called_with(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])[1:]
    run("--help")
    with schedune.make_context("schedune", words) as context:
        command = schedune.get_command(context, words[0])
        assert command is not None
        command.make_context(words[0], words[1:], parent=context)


def test_the_page_has_commands_and_recipes() -> None:
    assert len(set(COMMANDS)) >= 8
    assert len(RECIPES) >= 4
