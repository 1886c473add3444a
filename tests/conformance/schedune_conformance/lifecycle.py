"""Kinds about one VM's life: transition, reconcile, readiness, bootstrap, orphan."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from schedune.api.vmplacement import PlacementState as S
from schedune.api.vmworkload import Backend
from schedune.lifecycle.observation import Liveness, Observation, Sighting, Standing
from schedune.lifecycle.orphans import (
    FoundProcess,
    HeldPlacement,
    OrphanClass,
    OrphanFinding,
    Owner,
    ProcessKey,
    judge_process,
)
from schedune.lifecycle.readiness import ReadinessPolicy, ReadinessVerdict, judge_readiness
from schedune.lifecycle.reconcile import reconcile
from schedune.lifecycle.recovery import recover
from schedune.lifecycle.transitions import is_allowed
from schedune_cli.importing.words import BACKENDS
from schedune_conformance.answer import Answers
from schedune_conformance.corpus import Case

TIMEOUT: Final = ReadinessPolicy(timeout_seconds=15)
CORPUS_CLASSES: Final = {
    OrphanClass.SPLIT: "PossiblyManagedButUnlinked",
    OrphanClass.CONTESTED: "PossiblyManagedButUnlinked",
    OrphanClass.SUPERSEDED: "StaleExecutionArtifact",
    OrphanClass.LEAKED: "StaleExecutionArtifact",
    OrphanClass.UNMANAGED: "UnmanagedBackendProcess",
}
"""The original's name for each of our classes, which are finer."""
_AMBIGUOUS: Final = "PossiblyManagedButUnlinked"
_READINESS_AFTER: Final = {(S.STARTING, S.RUNNING), (S.STARTING, S.FAILED)}
"""Moves after which readiness is normative (README 3)."""


def answer_transition(case: Case) -> Answers:
    """Ask the table of moves."""
    allowed = is_allowed(S(case.raw["from"]), S(case.raw["to"]))
    return Answers({"allowed": case.expected["allowed"]}, {"allowed": allowed})


def answer_reconcile(case: Case) -> Answers:
    """Take one reconcile step."""
    record, expected = case.raw["record"], case.expected
    step = reconcile(_standing(record), _observation(case), TIMEOUT, now=moment(case.now))
    ours = {
        "state": step.state.value,
        "codes": [step.reason.row.code] if step.reason else [],
        "runtime_liveness": step.liveness.value if step.liveness else record["runtime_liveness"],
        "has_error": False,
        "runtime_readiness": step.readiness.value if step.readiness else None,
    }
    wanted = {name: expected[name] for name in ("state", "codes", "runtime_liveness")}
    wanted["has_error"] = bool(expected["error"])
    if (S(record["state"]), S(expected["state"])) in _READINESS_AFTER:
        wanted["runtime_readiness"] = expected["runtime_readiness"]
    return Answers(wanted, ours, {"step": step})


def answer_bootstrap(case: Case) -> Answers:
    """Recover one record after a restart."""
    record, expected = case.raw["record"], case.expected
    found = recover(_standing(record), _observation(case))
    ours = {
        "state": found.state.value if found else record["state"],
        "event_type": found.event.value if found else "",
        "codes": [found.reason.row.code] if found else [],
        "runtime_liveness": found.liveness.value if found else record["runtime_liveness"],
    }
    wanted = {name: expected[name] for name in ("state", "codes")}
    wanted["event_type"] = expected["event_type"] or ""
    if expected["runtime_liveness"] == Liveness.ALIVE.value:
        wanted["runtime_liveness"] = expected["runtime_liveness"]
    return Answers(wanted, ours)


def answer_readiness(case: Case) -> Answers:
    """Judge readiness from one observation."""
    verdict = judge(case, BACKENDS[case.raw["backend"]])
    ours = {
        "liveness": verdict.liveness.value,
        "readiness": verdict.readiness.value,
        "codes": [verdict.reason.row.code] if verdict.reason else [],
    }
    wanted = {name: case.expected[name] for name in ours}
    return Answers(wanted, ours)


def judge(case: Case, backend: Backend) -> ReadinessVerdict:
    """Judge the observation of a readiness case as that of any backend."""
    deadline, now = case.raw.get("deadline"), case.raw["obs"].get("ObservedAtSec", 0)
    until = None if deadline is None else moment(deadline)
    return judge_readiness(backend, _observation(case), deadline=until, now=moment(now))


def answer_orphan(case: Case) -> Answers:
    """Match and classify one process."""
    process = found_process(case.raw["proc"])
    verdict = judge_process(process, [held_placement(one) for one in case.raw["records"]])
    orphan = verdict if isinstance(verdict, OrphanFinding) else None
    named = CORPUS_CLASSES[orphan.orphan_class] if orphan else None
    ours = {
        "matched": orphan is None,
        "ambiguous": named == _AMBIGUOUS,
        "execution_id": verdict.placement_uid if isinstance(verdict, Owner) else "",
        "classification": named,
        "codes": [orphan.reason.row.code] if orphan else [],
    }
    return Answers({name: case.expected[name] for name in ours}, ours)


def found_process(raw: Mapping[str, Any]) -> FoundProcess:
    """Read the process of a case; beside its number the original keeps no identity."""
    return FoundProcess(_key(raw["PID"]), BACKENDS[raw["Backend"]], raw["ExecutionIDHint"])


def held_placement(raw: Mapping[str, Any]) -> HeldPlacement:
    """Read a record of a case as the placement that it stands for."""
    backend = BACKENDS.get((raw.get("prepared_state") or {}).get("runtime_backend", ""))
    pid = raw.get("pid")
    return HeldPlacement(raw["execution_id"], backend, None if pid is None else _key(pid))


def _key(pid: int) -> ProcessKey:
    return ProcessKey(pid, 0, "")


def _standing(record: Mapping[str, Any]) -> Standing:
    started, trace = record.get("started_at_sec"), record.get("trace") or []
    return Standing(
        state=S(record["state"]),
        has_process=record.get("pid") is not None,
        started_at=None if started is None else moment(started),
        told=(trace[-1].get("reason_code") or "") if trace else "",
    )


def _observation(case: Case) -> Observation:
    """Read what the inspector saw; without a pid it had nothing to look at (README 5, 8)."""
    seen: Mapping[str, Any] = case.raw.get("obs") or {}
    error = case.raw.get("obs_err") or ""
    has_pid = case.raw.get("record", {"pid": 0}).get("pid") is not None
    sighting = Sighting.ALIVE if seen.get("ProcessExists") else Sighting.GONE
    return Observation(
        sighting=Sighting.UNSEEN if error or not has_pid else sighting,
        is_ready=bool(seen.get("BackendReadySignal")),
        is_past_grace=bool(seen.get("StartupGraceElapsed")),
        vmm_error=seen.get("BackendSpecificError") or "",
        exit_code=seen.get("ExitCode"),
        detail=error or seen.get("BackendSignalSource") or "",
    )


def moment(seconds: int) -> datetime:
    """Return a Unix time as a moment."""
    return datetime.fromtimestamp(seconds, UTC)
