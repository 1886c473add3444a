"""The policy by which an installation decides: a file of its own, or the operator's settings."""

from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune_cli.problems import CORRECT, BadInputError, Place, Problem, shorten
from schedune_cli.reading.sources import read_sources, standard_input
from schedune_cli.reading.yaml_graph import UnusableYAMLError, child, compose, construct, line_of

_IN_SETTINGS: Final = "policy"
"""The key under which the operator's settings hold one."""


def read_policy(path: Path | None) -> SchedulingPolicy:
    """Return the policy of a file; without one the defaults hold.

    Raises:
        BadInputError: the file is missing, is no YAML, or says something wrong.
    """
    if path is None:
        return DEFAULT_POLICY
    sources, problems = read_sources([str(path)], standard_input())
    if problems:
        raise BadInputError(problems)
    name = sources[0].name
    try:
        node = compose(sources[0].text)
    except UnusableYAMLError as error:
        place = Place(name, 1 + error.line)
        raise BadInputError([Problem(place, "", "", error.message, error.remedy)]) from error
    return DEFAULT_POLICY if node is None else _parse(name, child(node, _IN_SETTINGS) or node)


def _parse(name: str, node: yaml.Node) -> SchedulingPolicy:
    value, wrong = construct(node, name, 1)
    if wrong:
        raise BadInputError(wrong)
    try:
        return SchedulingPolicy.model_validate(value or {})
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False):
            parts = [str(part) for part in detail["loc"]]
            place = Place(name, 1 + line_of(node, parts)[0])
            given = shorten(repr(detail["input"]))
            problems.append(Problem(place, ".".join(parts), given, detail["msg"], CORRECT))
        raise BadInputError(problems) from error
