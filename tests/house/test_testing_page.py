"""docs/testing.md: every test that it names is there, and no number or class lacks one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text()
NAMED = re.findall(r"^\| (.+?) \|(?: .+? \|)? `(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)
OF_A_NODE = {"1", "2", "3", "4", "5", "6", "7", "8", "12", "15", "18"}
CLASSES = (
    "raw read as qcow2", "qcow2 with", "VMDK", "VMM version", "names that", "options smuggled",
    "kernel command line", "host file", "control socket", "guest that lies", "identity", "tenants",
    "privileges", "a state that", "exhaustion", "monitor as", "guest that stalls", "cloud-init",
)  # fmt: skip


@pytest.mark.parametrize(("what", "file", "name"), NAMED)
def test_a_test_of_the_page_exists(what: str, file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {one.name for one in tree.body if isinstance(one, functions)}, what


def test_every_number_that_concerns_a_node_has_a_test() -> None:
    assert {what for what, _, _ in NAMED} >= OF_A_NODE


@pytest.mark.parametrize("beginning", CLASSES)
def test_every_class_of_attack_has_a_test(beginning: str) -> None:
    assert any(what.startswith(beginning) for what, _, _ in NAMED)


def test_every_row_of_the_page_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    heads = [line for line in rows if line.endswith("| Test |")]
    assert len(rows) - len(heads) == len(NAMED)
