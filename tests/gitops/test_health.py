"""What Argo CD, Flux and kstatus make of a workload: the shipped Lua and CEL, run for real."""

from typing import Any

import celpy
import lupa
import pytest
import yaml

from schedune.api.vmworkload import VMWorkloadStatus
from schedune.codes import summary as codes
from schedune.lifecycle.situation import Claim, Situation
from schedune_operator.status import Answer, render_status
from schedune_testing.kstatus import judge
from schedune_testing.nodes import NOW
from schedune_testing.recordings import ROOT

HERE = ROOT / "manifests/gitops"
LUA = (HERE / "health.lua").read_text()
FLUX = yaml.safe_load((HERE / "flux-kustomization.yaml").read_text())
(EXPRESSIONS,) = FLUX["spec"]["healthCheckExprs"]
Object = dict[str, Any]


def told(situation: Situation | None, *, generation: int = 2, observed: int = 2) -> Object:
    """Return a workload with what the operator writes of a situation."""
    raw: Object = {"metadata": {"name": "vm", "generation": generation}, "spec": {}}
    if situation is not None:
        raw["status"] = render_status(Answer(situation), VMWorkloadStatus(), observed, NOW)
    return raw


def because(status: Any, row: Any, **more: Any) -> Situation:
    return Situation(ready=Claim(status, row, "words"), **more)


NOWHERE = codes.NO_ELIGIBLE_NODE
CASES: dict[str, tuple[Object, str, str, str]] = {
    "not seen yet": (told(None), "Progressing", "waits", "Current"),
    "just seen": (told(Situation()), "Progressing", "inProgress", "InProgress"),
    "changed": (told(because("True", codes.RUNNING, settled=True), generation=3),
                "Progressing", "inProgress", "InProgress"),
    "without a node": (told(because("False", NOWHERE)), "Progressing", "waits", "InProgress"),
    "past its deadline": (told(because("False", NOWHERE, stalled=True)),
                          "Degraded", "failed", "Failed"),
    "running": (told(because("True", codes.RUNNING, settled=True)),
                "Healthy", "current", "Current"),
    "stopped as asked": (told(because("True", codes.STOPPED, settled=True)),
                         "Healthy", "current", "Current"),
    "on a silent node": (told(because("Unknown", codes.NODE_SILENT)),
                         "Progressing", "inProgress", "InProgress"),
    "going": ({**told(because("True", codes.RUNNING, settled=True)),
               "metadata": {"generation": 2, "deletionTimestamp": "2026-11-24T12:00:00Z"}},
              "Healthy", "current", "Terminating"),
}  # fmt: skip
"""The object; what Argo CD, Flux and kstatus say of it."""


def argo(raw: Object, script: str = LUA) -> dict[str, str]:
    """Run the health script as Argo CD does: without the standard library but ipairs."""
    lua = lupa.LuaRuntime(register_eval=False)
    run = lua.eval(
        "function(script, obj) local env = {obj = obj, ipairs = ipairs}"
        " return load(script, 'health', 't', env)() end"
    )
    return dict(run(script, lua.table_from(raw, recursive=True)))


def flux(raw: Object) -> str:
    """Return which expression says so; an error, or none of them, makes Flux wait."""
    for name in ("failed", "inProgress", "current"):
        environment = celpy.Environment()
        program = environment.program(environment.compile(EXPRESSIONS[name]))
        try:
            if program.evaluate(celpy.json_to_cel(raw)):
                return name
        except celpy.CELEvalError:
            return "waits"
    return "waits"


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_says(case: str) -> None:
    raw, said, _, _ = CASES[case]
    assert argo(raw)["status"] == said


@pytest.mark.parametrize("case", CASES)
def test_flux_says(case: str) -> None:
    raw, _, said, _ = CASES[case]
    assert flux(raw) == said


@pytest.mark.parametrize("case", CASES)
def test_kstatus_says(case: str) -> None:
    raw, _, _, said = CASES[case]
    assert judge(raw) == said


def test_every_state_of_kstatus_is_there() -> None:
    said = {case[3] for case in CASES.values()} | {judge(None)}
    assert said == {"InProgress", "Failed", "Current", "Terminating", "NotFound"}


def test_argo_cd_is_told_the_reason_of_a_stalled_one() -> None:
    raw = CASES["past its deadline"][0]
    assert argo(raw)["message"] == "NoEligibleNode: words"


def test_the_config_map_holds_the_script_that_is_tested() -> None:
    data = yaml.safe_load((HERE / "argocd-cm.yaml").read_text())["data"]
    assert data["resource.customizations.health.schedune.io_VMWorkload"] == LUA
    ignored = data["resource.customizations.ignoreResourceUpdates.schedune.io_VMWorkload"]
    assert yaml.safe_load(ignored) == {"jsonPointers": ["/status/evaluation", "/status/why"]}


def test_the_page_holds_what_is_shipped() -> None:
    page = (ROOT / "docs/gitops.md").read_text()
    for name in ("argocd-application.yaml", "flux-kustomization.yaml"):
        assert (HERE / name).read_text() in page, name
