"""Golden pages: what ``schedune truth`` and ``schedune doctor`` print, letter by letter.

The recordings stand beside the pages. ``python tests/golden/test_pages.py`` writes the pages
anew; what changed is then read in the difference before it is committed. The two sentences
that name every part of a truth of which there is none are left out: they grow with the model.
"""

import os
from pathlib import Path

import pytest

from schedune_testing.recordings import run

PAGES = Path(__file__).resolve().parent / "pages"
RECORDED = ("--truth", "then.yaml")
CALLS: dict[str, tuple[int, tuple[str, ...]]] = {
    "truth-good": (0, ("truth", "good", *RECORDED)),
    "truth-broken": (0, ("truth", "broken", *RECORDED)),
    "doctor-silent": (3, ("doctor", "silent", *RECORDED)),
    "doctor-unknown": (1, ("doctor", "unknown", *RECORDED)),
    "truth-diff": (1, ("truth", "diff", "then.yaml", "now.yaml")),
}
_GROWING = ("  None of: ", "  Not said: ", "    ")


def page(name: str) -> tuple[int, str]:
    """Run a command beside the recordings; return its exit status and its page."""
    told = run(*CALLS[name][1])
    assert told.stderr == ""
    return told.exit_code, "\n".join(_steady(told.stdout.splitlines())) + "\n"


def _steady(lines: list[str]) -> list[str]:
    kept, growing = [], False
    for line in lines:
        growing = line.startswith(_GROWING[:2]) or (growing and line.startswith(_GROWING[2]))
        if not growing:
            kept.append(line)
    return kept


@pytest.mark.parametrize("name", CALLS)
def test_the_page_is_the_one_beside_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGES)
    status, told = page(name)
    assert told == (PAGES / f"{name}.txt").read_text()
    assert status == CALLS[name][0]


def test_every_page_is_readable_on_120_columns_and_belongs_to_a_call() -> None:
    pages = {path.stem: path.read_text() for path in PAGES.glob("*.txt")}
    assert set(pages) == set(CALLS)
    assert max(len(line) for text in pages.values() for line in text.splitlines()) <= 120


if __name__ == "__main__":
    os.chdir(PAGES)
    for one in CALLS:
        (PAGES / f"{one}.txt").write_text(page(one)[1])
