"""Explanations as GitHub workflow commands: one annotation on the line of each workload.

GitHub shows ten errors of a step, so each workload is one; problems come first.
"""

from collections.abc import Iterator

from schedune.explaining.form import Explanation, ExplanationList, Position, Verdict
from schedune.explaining.text import render_text
from schedune.telling.page import Page, printable


def render_github(told: ExplanationList) -> str:
    """Return the annotations, then the text that a reader of the log sees."""
    return "".join(f"{line}\n" for line in _annotations(told)) + _log(told)


def _log(told: ExplanationList) -> str:
    """Keep a line of the text from being taken for a command."""
    text = render_text(told, Page())
    return "".join(
        f" {line}" if line.startswith("::") else line for line in text.splitlines(keepends=True)
    )


def _annotations(told: ExplanationList) -> Iterator[str]:
    for problem in told.problems:
        field = f"{problem.field}: " if problem.field else ""
        value = f" (got {problem.value})" if problem.value else ""
        message = f"{field}{problem.message}{value}; {problem.remedy}"
        yield _command(problem.position, problem.code, message)
    for one in told.items:
        if one.verdict is not Verdict.ELIGIBLE:
            yield _command(_position(one), one.code, "\n".join(_message(one)))


def _position(one: Explanation) -> Position:
    """Point at the field that is refused, or at the demand that comes first."""
    if one.refusals:
        return one.refusals[0].position
    return next((count.position for count in one.codes if count.code == one.code), one.position)


def _message(one: Explanation) -> Iterator[str]:
    yield f"{one.metadata.namespace}/{one.metadata.name}: {one.message}"
    for refusal in one.refusals:
        yield f"{refusal.field}: {refusal.remedy}"
    for way in one.relaxations[:3]:
        yield f"{' and '.join(way.changes)}: frees {', '.join(way.sample_nodes)}"


def _command(position: Position, code: str, message: str) -> str:
    properties = f"file={_property(position.file)}"
    if position.line:
        properties += f",line={position.line}"
    return f"::error {properties},title={_property(code)}::{_data(message)}"


def _data(text: str) -> str:
    lines = [printable(line) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
