"""The policy by which an installation decides: a file of its own, or the operator's settings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schedune.api.crd.schema import structural
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.written import meant
from schedune_cli.problems import BadInputError, Place, Problem, shorten
from schedune_cli.reading.metadata import NO_SUCH_FIELD
from schedune_cli.reading.objects import Item, Raw
from schedune_cli.reading.sources import read_sources, standard_input
from schedune_cli.reading.validation import misfit_problems, model_problems, read_as_written
from schedune_cli.reading.yaml_graph import UnusableYAMLError, child, compose, construct

_IN_SETTINGS: Final = "policy"
"""The key under which the operator's settings hold one."""
SETTINGS: Final = frozenset({
    "kubernetes", "leasePollSeconds", "expireSeconds", "outageNodes", "tickSeconds", "sweepSeconds",
    "drainAtOnce", "admission", "leader", "observability", "fleetPage", _IN_SETTINGS,
})  # fmt: skip
"""What the operator's settings hold: it has no part in us, so a test holds both together."""

_OF_POLICY: Final = {str(field.alias) for field in SchedulingPolicy.model_fields.values()}


def read_policy(path: Path | None) -> SchedulingPolicy:
    """Return the policy of a file; without one the defaults hold.

    Raises:
        BadInputError: the file is missing, is no YAML, or says something wrong.
    """
    if path is None:
        return DEFAULT_POLICY
    sources, unread = read_sources([str(path)], standard_input())
    if unread:
        raise BadInputError(unread)
    name = sources[0].name
    try:
        node = compose(sources[0].text)
    except UnusableYAMLError as error:
        place = Place(name, 1 + error.line)
        raise BadInputError([Problem(place, "", "", error.message, error.remedy)]) from error
    if node is None:
        return DEFAULT_POLICY
    item = Item({}, Place(name, 1), node, 1)
    value, problems = construct(node, name, 1)
    if not problems and isinstance(value, dict) and not SETTINGS.isdisjoint(value):
        problems = [*_no_settings(item, value)]
        value = value.get(_IN_SETTINGS)
        item = replace(item, node=child(node, _IN_SETTINGS))
    if problems:
        raise BadInputError(problems)
    return _parse(item, value or {})


def _no_settings(item: Item, value: Raw) -> Iterator[Problem]:
    """Give what the operator's settings do not hold: beside them it would count for nothing."""
    for key in sorted(set(value) - SETTINGS):
        told, remedy = NO_SUCH_FIELD, f"the operator's settings hold {', '.join(sorted(SETTINGS))}"
        near = meant(key, SETTINGS)
        if key in _OF_POLICY:
            told, remedy = "is a field of the policy", f"put it under {_IN_SETTINGS}"
        elif near:
            remedy = f"did you mean {near}?"
        yield Problem(item.place_of(key), key, shorten(repr(value[key])), told, remedy)


def _parse(item: Item, value: object) -> SchedulingPolicy:
    problems = [*misfit_problems(item, value, structural(SchedulingPolicy, with_defaults=False))]
    try:
        found = read_as_written(SchedulingPolicy, value)
    except ValidationError as error:
        problems += model_problems(SchedulingPolicy, item, error, problems)
        raise BadInputError(problems) from error
    if problems:
        raise BadInputError(problems)
    return found
