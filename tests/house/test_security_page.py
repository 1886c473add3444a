"""docs/security.md: every refusal that it shows is one that a real API server gave."""

import re
from pathlib import Path

import pytest
import yaml

from schedune_testing.refusals import FOLDER, refusals

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "manifests" / "base"
PAGE = (ROOT / "docs" / "security.md").read_text()
SHOWN = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([^`|]+)` \|$", PAGE, re.MULTILINE)
TABLES = {
    "agent": ("agent", "newcomer"),
    "agent made cluster-admin": ("agent_with_every_right",),
    "operator": ("operator",),
    "cluster-admin": ("administrator",),
}


@pytest.mark.parametrize(("who", "tries", "says"), SHOWN)
def test_a_refusal_of_the_page_is_a_row_of_the_tables(who: str, tries: str, says: str) -> None:
    rows = {row.named: row.says for table in TABLES[who] for row in refusals(table)}
    assert says in rows[tries]


def test_every_table_is_shown_in_part() -> None:
    assert {who for who, _, _ in SHOWN} == set(TABLES)
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {
        *(table for tables in TABLES.values() for table in tables),
        "operator_with_every_right",
    }


def test_every_policy_denies_and_has_a_reason_for_each_of_its_rules() -> None:
    documents = list(
        yaml.safe_load_all((ROOT / "manifests" / "base" / "policies.yaml").read_text())
    )
    policies = {
        one["metadata"]["name"]: one["spec"]
        for one in documents
        if one["kind"] == "ValidatingAdmissionPolicy"
    }
    bindings = {
        one["spec"]["policyName"]: one["spec"]["validationActions"]
        for one in documents
        if one["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert bindings == {name: ["Deny"] for name in policies}
    for name, spec in policies.items():
        assert spec["failurePolicy"] == "Fail", name
        assert spec["matchConstraints"]["matchPolicy"] == "Equivalent", name
        for rule in spec["validations"]:
            assert rule["reason"] == "Forbidden", name
            assert rule.get("message") or rule.get("messageExpression"), name


def test_no_role_of_ours_gives_everything() -> None:
    documents = yaml.safe_load_all((BASE / "rbac.yaml").read_text())
    for one in documents:
        for rule in one.get("rules", ()):
            given = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "*" not in given, one["metadata"]["name"]
            assert not {"secrets", "impersonate", "escalate", "bind"} & set(given)
