"""Where the corpus is, which cases there are, and the table at the end."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

sys.path.append(str(Path(__file__).parent))

from schedune_conformance.answer import Result
from schedune_conformance.compare import compare, count_outcomes
from schedune_conformance.corpus import BESIDE, Case, read_cases

_OUTCOMES: Final = ("passed", "refined", "skipped", "failed")
_FILE: Final = pytest.StashKey[Path | None]()
_RESULTS: Final = pytest.StashKey[dict[str, tuple[Case, Result]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let other cases of the same form be run."""
    parser.addoption(
        "--cases", dest="cases_file", metavar="FILE", default=None,
        help="conformance cases to run instead of those beside the checkout",
    )  # fmt: skip


def _file_of(config: pytest.Config) -> Path | None:
    """Return the file of cases; None: it does not lie beside the checkout.

    Raises:
        pytest.UsageError: a file was named that is not there.
    """
    named = config.getoption("cases_file", None)
    if named is None:
        return BESIDE if BESIDE.is_file() else None
    if not Path(named).is_file():
        raise pytest.UsageError(f"--cases {named}: there is no such file")
    return Path(named)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every case."""
    if "case" not in metafunc.fixturenames:
        return
    file = _file_of(metafunc.config)
    metafunc.config.stash[_FILE] = file
    cases = list(read_cases(file)) if file else []
    metafunc.parametrize("case", cases, ids=[f"{one.kind}: {one.name}" for one in cases])


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> dict[str, tuple[Case, Result]]:
    """Return how every case comes out; all are compared once."""
    file = _file_of(pytestconfig)
    if file is None:
        pytest.skip(f"the corpus is not beside the checkout: no {BESIDE}")
    found = {case.name: (case, compare(case)) for case in read_cases(file)}
    pytestconfig.stash[_RESULTS] = found
    return found


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what agreed, what differs on purpose, and by which rule; or that nothing was asked."""
    write = terminalreporter.write_line
    if config.stash.get(_FILE, BESIDE) is None:
        terminalreporter.section("conformance: NOT RUN")
        write(f"the corpus is not beside the checkout ({BESIDE}); name one with --cases FILE")
        return
    found = config.stash.get(_RESULTS, None)
    if found is None:
        return
    terminalreporter.section("conformance with the original system")
    write(f"{'KIND':<18}" + "".join(f"{one.upper():>9}" for one in _OUTCOMES))
    table: Mapping[str, Counter[str]] = count_outcomes(found.values())
    for kind in sorted(table):
        write(f"{kind:<18}" + "".join(f"{table[kind][one]:>9}" for one in _OUTCOMES))
    total = sum(table.values(), Counter())
    write(f"{'all':<18}" + "".join(f"{total[one]:>9}" for one in _OUTCOMES))
    agreeing = [result for _, result in found.values() if not result.failures]
    used = Counter(rule for result in agreeing for rule in {*result.rules})
    for rule, count in sorted(used.items()):
        write(f"{count:>5} differ as allowed by {rule}")
    for case, result in found.values():
        if result.skipped:
            write(f"skipped {case.name}: {result.skipped}")
