"""Every form of an explanation, read back by what will read it."""

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import yaml

from schedune.codes.table import TABLE
from schedune.telling.page import Page, Tone, printable
from schedune_testing.recordings import Files, document, run, truth, workload

CALL = ("explain", "-f", "deploy", "--truth", "fleet.yaml")
ANNOTATION = re.compile(
    r"::error file=(?P<file>[^,:]*)(,line=(?P<line>\d+))?,title=(?P<title>[^:]*)::(?P<message>.*)"
)
BROKEN = """\
apiVersion: schedune.io/v1alpha1
kind: VMWorkload
metadata:
  name: broken
spec:
  runtimeClass: VirtualMachine
  architecture: Any
  resources:
    vcpus: 2
    memory: 4 gigs
  boot:
    kernel:
      artifact: kernel
"""


@pytest.fixture
def deploy(files: Files) -> Files:
    """Write one workload that fits, one that does not, one that is refused, one that is broken."""
    files.write("deploy/good.yaml", workload("good"))
    files.write(
        "deploy/sub/bad.yaml",
        workload("big", resources={"vcpus": 2, "memory": "99Gi"}),
        workload("late", resources={"vcpus": 1, "memory": "256Mi", "hugepages": "2Mi"}),
    )
    files.text("deploy/broken.yaml", BROKEN)
    files.write("fleet.yaml", truth("a"), truth("b", capabilities=[]))
    return files


def line_of(path: str, text: str) -> int:
    with open(path) as stream:  # noqa: PTH123 - a line of a file
        return next(number for number, line in enumerate(stream, 1) if text in line)


# --- JSON and YAML -------------------------------------------------------------------------


@pytest.mark.usefixtures("deploy")
def test_json_and_yaml_are_the_same_document() -> None:
    told = document(*CALL)
    assert yaml.safe_load(run(*CALL, "-o", "yaml").stdout) == told
    assert (told["apiVersion"], told["kind"]) == ("schedune.io/v1alpha1", "ExplanationList")
    verdicts = {one["metadata"]["name"]: one["verdict"] for one in told["items"]}
    assert verdicts == {"big": "NoEligibleNode", "good": "Eligible", "late": "Refused"}
    assert [one["field"] for one in told["problems"]] == ["spec.resources.memory"]


@pytest.mark.usefixtures("deploy")
def test_json_tells_every_objection_with_its_evidence() -> None:
    big = next(one for one in document(*CALL)["items"] if one["metadata"]["name"] == "big")
    node = next(one for one in big["nodes"] if one["nodeName"] == "a")
    (objection,) = node["objections"]
    assert objection["demand"] == "memory"
    assert objection["observed"] == "16Gi of 16Gi"
    assert objection["change"].startswith("memory <= ")
    assert objection["remedy"]


# --- JUnit -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("deploy")
def test_junit_has_a_suite_for_each_file_and_a_case_for_each_workload() -> None:
    root = ET.fromstring(run(*CALL, "-o", "junit").stdout)  # noqa: S314 - our own
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert sorted(suites) == ["deploy/broken.yaml", "deploy/good.yaml", "deploy/sub/bad.yaml"]
    bad = suites["deploy/sub/bad.yaml"]
    assert (bad.get("tests"), bad.get("failures"), bad.get("errors")) == ("2", "2", "0")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert {case.get("classname") for case in cases.values()} == {"default", "input"}
    assert cases["good"].find("failure") is None
    failure = cases["big"].find("failure")
    assert failure is not None
    assert failure.get("type") == "REJECT_INSUFFICIENT_MEMORY"
    assert "99Gi" in (failure.text or "")
    late = cases["late"].find("failure")
    assert late is not None
    assert late.get("type") == "FIELD_NOT_SUPPORTED_YET"
    error = cases["spec.resources.memory"].find("error")
    assert error is not None
    assert error.get("type") == "INVALID_FIELD"


@pytest.mark.usefixtures("deploy")
def test_junit_counts_add_up() -> None:
    root = ET.fromstring(run(*CALL, "-o", "junit").stdout)  # noqa: S314 - our own
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)
    assert int(root.get("tests", "")) == len([*root.iter("testcase")])
    assert int(root.get("failures", "")) == len([*root.iter("failure")])
    assert int(root.get("errors", "")) == len([*root.iter("error")])


def test_junit_survives_what_xml_forbids(files: Files) -> None:
    message = "no \x1b[31mKVM\x00 <&> ]]> \ud7ff"
    kvm = {**truth("a")["status"]["capabilities"][0], "state": "Unsupported", "message": message}
    files.text("vm.json", json.dumps(workload()))
    files.text("fleet.json", json.dumps(truth("a", capabilities=[kvm])))
    told = run("explain", "-f", "vm.json", "--truth", "fleet.json", "-o", "junit")
    assert told.exit_code == 1
    root = ET.fromstring(told.stdout)  # noqa: S314 - our own
    (failure,) = root.iter("failure")
    assert "\\x1b[31mKVM\\x00 <&> ]]>" in (failure.text or "")


# --- SARIF -----------------------------------------------------------------------------------


def sarif(*arguments: str) -> Any:
    log = json.loads(run(*arguments, "-o", "sarif").stdout)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (only,) = log["runs"]
    return only


@pytest.mark.usefixtures("deploy")
def test_sarif_has_what_the_standard_requires() -> None:
    only = sarif(*CALL)
    driver = only["tool"]["driver"]
    assert driver["name"] == "schedune"
    rules = [rule["id"] for rule in driver["rules"]]
    assert rules == sorted(set(rules))
    for rule in driver["rules"]:
        row = TABLE[rule["id"]]
        assert rule["shortDescription"]["text"] == row.cause
        assert row.remedy in rule["help"]["markdown"]
        assert rule["help"]["text"]
    for result in only["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
        (location,) = result["locations"]
        artifact = location["physicalLocation"]["artifactLocation"]
        assert artifact["uriBaseId"] == "%SRCROOT%"
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert re.fullmatch("[0-9a-f]{64}", result["partialFingerprints"]["schedune/v1"])


@pytest.mark.usefixtures("deploy")
def test_sarif_points_at_the_field_that_is_in_the_way() -> None:
    places = {
        (result["ruleId"], place["artifactLocation"]["uri"]): place["region"]["startLine"]
        for result in sarif(*CALL)["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    }
    bad, broken = "deploy/sub/bad.yaml", "deploy/broken.yaml"
    assert places[("REJECT_INSUFFICIENT_MEMORY", bad)] == line_of(bad, "99Gi")
    assert places[("FIELD_NOT_SUPPORTED_YET", bad)] == line_of(bad, "hugepages")
    assert places[("INVALID_FIELD", broken)] == line_of(broken, "4 gigs")


def test_a_result_stays_the_same_when_lines_move(deploy: Files) -> None:
    before = [result["partialFingerprints"] for result in sarif(*CALL)["results"]]
    text = (deploy.folder / "deploy/sub/bad.yaml").read_text()
    deploy.text("deploy/sub/bad.yaml", "# a comment\n\n" + text)
    assert [result["partialFingerprints"] for result in sarif(*CALL)["results"]] == before
    assert len({json.dumps(one) for one in before}) == len(before)


def test_a_file_outside_the_repository_is_named_by_its_url(
    files: Files, tmp_path_factory: Any
) -> None:
    elsewhere = tmp_path_factory.mktemp("else where")
    Files(elsewhere).write("vm.yaml", workload(architecture="arm64"))
    files.write("fleet.yaml", truth("a"))
    (result,) = sarif("explain", "-f", str(elsewhere), "--truth", "fleet.yaml")["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")
    assert "else%20where" in uri


# --- GitHub ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("deploy")
def test_github_has_one_annotation_for_each_workload_and_problem() -> None:
    lines = [line for line in run(*CALL, "-o", "github").stdout.splitlines() if "::" in line[:2]]
    found = [ANNOTATION.fullmatch(line) for line in lines]
    told = {(one["title"], one["file"], int(one["line"])) for one in found if one}
    bad, broken = "deploy/sub/bad.yaml", "deploy/broken.yaml"
    assert told == {
        ("INVALID_FIELD", broken, line_of(broken, "4 gigs")),
        ("REJECT_INSUFFICIENT_MEMORY", bad, line_of(bad, "99Gi")),
        ("FIELD_NOT_SUPPORTED_YET", bad, line_of(bad, "hugepages")),
    }


def test_github_commands_are_escaped(files: Files) -> None:
    kvm = {
        **truth("a")["status"]["capabilities"][0],
        "state": "Unsupported",
        "message": "50%\n::set-output name=x::y",
    }
    files.write("a,b:c%.yaml", workload())
    files.write("fleet.yaml", truth("a", capabilities=[kvm]))
    told = run("explain", "-f", "a,b:c%.yaml", "--truth", "fleet.yaml", "-o", "github").stdout
    commands = [line for line in told.splitlines() if line.startswith("::")]
    assert len(commands) == 1
    assert commands[0].startswith(
        "::error file=a%2Cb%3Ac%25.yaml,line=1,title=REJECT_MISSING_KVM::"
    )


# --- text --------------------------------------------------------------------------------------


def test_nothing_in_a_text_acts_on_a_terminal(files: Files) -> None:
    kvm = {
        **truth("a")["status"]["capabilities"][0],
        "state": "Unsupported",
        "message": "\x1b]0;title\x07 \u202e gone",
    }
    files.text("vm.json", json.dumps(workload()))
    files.text("fleet.json", json.dumps(truth("a", capabilities=[kvm])))
    told = run("explain", "-f", "vm.json", "--truth", "fleet.json").stdout
    assert "\x1b" not in told
    assert "\\x1b]0;title\\x07 \\u202e gone" in told


def test_a_page_is_never_wider_than_it_is() -> None:
    rows = [("NODE", "VERDICT", "WHY"), ("a" * 20, "rejected", "word " * 40)]
    lines = Page(width=60).table(rows, [Tone.BAD], "  ")
    assert max(map(len, lines)) <= 60
    assert all(line.startswith(" " * 32) for line in lines[2:])
    assert max(map(len, Page(width=60).paragraph("word " * 40, "  ", "    "))) <= 60


def test_a_log_is_never_wrapped() -> None:
    assert Page().paragraph("word " * 100) == ["word " * 100]


def test_colours_are_on_words_and_widths_are_those_of_the_words() -> None:
    painted = Page(width=80, paint=lambda text, tone: f"<{tone}>{text}</>")
    lines = painted.table([("NODE", "VERDICT", "WHY"), ("a", "rejected", "x")], [Tone.BAD])
    assert lines == ["<title>NODE  VERDICT   WHY</>", "a     <bad>rejected</>  x"]


def test_printable_text_is_left_alone() -> None:
    assert printable("Ärger -> 8Gi ≤ 16Gi") == "Ärger -> 8Gi ≤ 16Gi"
    assert printable("a\tb\n") == "a\\tb\\n"
