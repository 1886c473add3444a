"""Explanations as SARIF 2.1.0: a result for each cause that keeps a workload from every node."""

import hashlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from schedune.codes.row import Row
from schedune.codes.table import TABLE
from schedune.explaining.form import (
    Explanation,
    ExplanationList,
    InputProblem,
    Position,
    Verdict,
)
from schedune.telling.page import counted, listed, printable
from schedune_cli.telling.documents import json_text

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_FINGERPRINT: Final = "schedune/v1"
_ROOT: Final = "%SRCROOT%"
Result = dict[str, Any]


def render_sarif(told: ExplanationList, version: str) -> str:
    """Return one run with its results, and the rules that these name."""
    results = [*(_problem(one) for one in told.problems), *_results(told)]
    codes = sorted({one["ruleId"] for one in results})
    for one in results:
        one["ruleIndex"] = codes.index(one["ruleId"])
    driver = {
        "name": "schedune",
        "semanticVersion": version,
        "rules": [_rule(TABLE[code]) for code in codes],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_text(log)


def _rule(row: Row) -> Result:
    remedy = f"\n\n**Remedy**: {row.remedy}" if row.remedy else ""
    help_text = f"{row.cause} Remedy: {row.remedy}." if row.remedy else row.cause
    return {
        "id": row.code,
        "name": row.reason,
        "shortDescription": {"text": row.cause},
        "help": {"text": help_text, "markdown": f"{row.cause}{remedy}"},
        "defaultConfiguration": {"level": "error"},
    }


def _problem(one: InputProblem) -> Result:
    field = f"{one.field}: " if one.field else ""
    value = f" (got {one.value})" if one.value else ""
    message = f"{field}{one.message}{value}; {one.remedy}"
    return _result(one.code, message, one.position, (one.field, one.message))


def _results(told: ExplanationList) -> Iterator[Result]:
    for one in told.items:
        if one.verdict is Verdict.REFUSED:
            yield from _refusals(one)
        elif one.verdict is not Verdict.ELIGIBLE:
            yield from _causes(one)


def _refusals(one: Explanation) -> Iterator[Result]:
    for refusal in one.refusals:
        message = f"{_name(one)}: {refusal.message}; {refusal.remedy}"
        yield _result(refusal.code, message, refusal.position, (_name(one), refusal.field))


def _causes(one: Explanation) -> Iterator[Result]:
    """Give every cause; where no node is known there is none, but still no node."""
    if not one.codes:
        yield _result(one.code, f"{_name(one)}: {one.message}", one.position, (_name(one),))
    for count in one.codes:
        nodes = listed(count.sample_nodes, count.count)
        of_all = f"{count.count} of {counted(one.nodes_evaluated, 'node')} ({nodes})"
        remedy = f"; {count.remedy}" if count.remedy else ""
        message = f"{_name(one)}: rejected on {of_all}: {count.message}{remedy}"
        yield _result(count.code, message, count.position, (_name(one),))


def _name(one: Explanation) -> str:
    return f"{one.metadata.namespace}/{one.metadata.name}"


def _result(code: str, message: str, position: Position, identity: tuple[str, ...]) -> Result:
    """Return a result; what it is known by stays the same when lines move."""
    known = "\n".join((position.file, code, *identity))
    physical: Result = {"artifactLocation": _location(position.file)}
    if position.line:
        physical["region"] = {"startLine": position.line}
    return {
        "ruleId": code,
        "level": "error",
        "message": {"text": printable(message)},
        "locations": [{"physicalLocation": physical}],
        "partialFingerprints": {
            _FINGERPRINT: hashlib.sha256(known.encode("utf-8", "backslashreplace")).hexdigest()
        },
    }


def _location(file: str) -> Result:
    """Name a file within the repository, or by its URL where it lies elsewhere."""
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": f"file://{quote(path.as_posix(), errors='replace')}"}
    return {"uri": quote(path.as_posix(), errors="replace"), "uriBaseId": _ROOT}
