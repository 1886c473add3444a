"""Every case of the corpus, answered by our own code."""

from collections import Counter

import pytest
from schedune_conformance.answer import Result
from schedune_conformance.compare import ANSWERS
from schedune_conformance.corpus import CHECKOUT, Case

Results = dict[str, tuple[Case, Result]]
MOST_SKIPPED = 0.05
"""Of the cases of one kind."""


def test_we_answer_as_the_original_does_or_differ_by_a_rule(case: Case, results: Results) -> None:
    _, result = results[case.name]
    if result.skipped:
        pytest.skip(result.skipped)
    if result.failures:
        pytest.fail("\n".join((case.defect, *result.failures)).strip(), pytrace=False)


def test_every_kind_of_case_is_answered(results: Results) -> None:
    assert {case.kind for case, _ in results.values()} <= {*ANSWERS}


def test_of_no_kind_more_than_a_twentieth_is_skipped(results: Results) -> None:
    all_of = Counter(case.kind for case, _ in results.values())
    skipped = Counter(case.kind for case, result in results.values() if result.skipped)
    too_many = {kind: n for kind, n in skipped.items() if n > all_of[kind] * MOST_SKIPPED}
    assert not too_many


def test_no_code_knows_a_case_or_a_fixture_by_name(results: Results) -> None:
    cases = [case for case, _ in results.values()]
    names = {case.name for case in cases} | {
        file.stem for case in cases for file in case.fixtures.glob("*.json")
    }
    texts = {
        path: path.read_text()
        for folder in ("core", "cli", "operator", "agent-daemonset", "tests/conformance")
        for path in (CHECKOUT / folder).rglob("*.py")
    }
    assert len(texts) > 100
    known = {(str(path), name) for path, text in texts.items() for name in names if name in text}
    assert not known
