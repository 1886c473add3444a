"""Explanations as JUnit XML: a suite for each file, a case for each workload."""

from collections.abc import Iterable
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from schedune.explaining.form import Explanation, ExplanationList, InputProblem, Verdict
from schedune.explaining.text import node_rows, place
from schedune.telling.page import Page, counted, printable

_Case = Explanation | InputProblem


def render_junit(told: ExplanationList) -> str:
    """Return the document. It holds no durations: the same input gives the same bytes."""
    cases: list[_Case] = [*told.items, *told.problems]
    cases.sort(key=lambda one: (one.position.file, one.position.line))
    root = Element("testsuites", {"name": "schedune explain", **_counts(cases)})
    for file, group in groupby(cases, key=lambda one: one.position.file):
        held = list(group)
        suite = SubElement(root, "testsuite", {"name": printable(file), **_counts(held)})
        for one in held:
            _case(suite, one)
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _counts(cases: Iterable[_Case]) -> dict[str, str]:
    held = list(cases)
    failures = sum(isinstance(one, Explanation) and not _passes(one) for one in held)
    errors = sum(isinstance(one, InputProblem) for one in held)
    return {"tests": str(len(held)), "failures": str(failures), "errors": str(errors)}


def _passes(one: Explanation) -> bool:
    return one.verdict is Verdict.ELIGIBLE


def _case(suite: Element, one: _Case) -> None:
    position = one.position
    if isinstance(one, InputProblem):
        case = _named(suite, "input", one.field or "document", one)
        wrong = SubElement(case, "error", type=one.code, message=printable(one.message))
        value = f" (got {one.value})" if one.value else ""
        wrong.text = printable(f"{place(position)}: {one.message}{value}; {one.remedy}")
        return
    case = _named(suite, one.metadata.namespace, one.metadata.name, one)
    if _passes(one):
        SubElement(case, "system-out").text = printable(f"{one.chosen} is chosen. {one.message}")
    else:
        wrong = SubElement(case, "failure", type=one.code, message=printable(one.message))
        wrong.text = "\n".join(_details(one))


def _named(suite: Element, group: str, name: str, one: _Case) -> Element:
    case = SubElement(
        suite, "testcase", classname=printable(group), name=printable(name),
        file=printable(one.position.file), time="0",
    )  # fmt: skip
    if one.position.line:
        case.set("line", str(one.position.line))
    return case


def _details(one: Explanation) -> list[str]:
    lines = [f"{place(one.position)}: {one.message}"]
    lines += [f"{place(r.position)}: {r.code}: {r.message}; {r.remedy}" for r in one.refusals]
    if one.nodes:
        rows = [("NODE", "VERDICT", "CODE", "WHY")]
        rows += [row for node in one.nodes for row in node_rows(node)]
        lines += Page().table(rows)
    for way in one.relaxations:
        told = f"{' and '.join(way.changes)} ({counted(way.nodes, 'node')})"
        lines.append(f"{way.actor} can free: {told}")
    return [printable(line) for line in lines]
