"""Ready, on its way, or late: judged from one observation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmworkload import Backend
from schedune.lifecycle.observation import Liveness, Observation, ReadinessState, Sighting
from schedune.lifecycle.readiness import ReadinessPolicy, ReadinessVerdict, judge_readiness

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = ReadinessPolicy(timeout_seconds=15)
DEADLINE = START + timedelta(seconds=15)
TIMEOUTS = {
    Backend.QEMU: "ERR_READY_QEMU_SOCKET_TIMEOUT",
    Backend.CLOUD_HYPERVISOR: "ERR_READY_CLOUDHYPERVISOR_SOCKET_TIMEOUT",
    Backend.FIRECRACKER: "ERR_READY_FIRECRACKER_SOCKET_TIMEOUT",
}


def judge(
    observation: Observation, seconds: float = 0, backend: Backend = Backend.QEMU
) -> ReadinessVerdict:
    now = START + timedelta(seconds=seconds)
    return judge_readiness(backend, observation, deadline=DEADLINE, now=now)


def code(verdict: ReadinessVerdict) -> str | None:
    return verdict.reason.row.code if verdict.reason else None


@pytest.mark.parametrize("backend", Backend)
def test_every_backend_has_its_own_code_for_a_silent_control_socket(backend: Backend) -> None:
    verdict = judge(Observation(Sighting.ALIVE), 16, backend)
    assert (verdict.readiness, code(verdict)) == (ReadinessState.FAILED, TIMEOUTS[backend])
    assert verdict.liveness is Liveness.ALIVE


def test_the_last_second_of_the_deadline_is_in_time() -> None:
    assert judge(Observation(Sighting.ALIVE), 15).readiness is ReadinessState.IN_PROGRESS
    assert not POLICY.is_late(START, DEADLINE)
    assert POLICY.is_late(START, DEADLINE + timedelta(microseconds=1))


def test_a_vm_of_which_nobody_knows_the_start_is_never_late() -> None:
    assert not POLICY.is_late(None, START + timedelta(days=400))


def test_within_its_grace_a_vm_is_not_late() -> None:
    verdict = judge(Observation(Sighting.ALIVE, is_past_grace=False), 1000)
    assert verdict.readiness is ReadinessState.IN_PROGRESS


@given(seconds=st.integers(0, 10**6), backend=st.sampled_from(Backend))
def test_ready_late_is_ready_all_the_same(seconds: int, backend: Backend) -> None:
    verdict = judge(Observation(Sighting.ALIVE, is_ready=True), seconds, backend)
    assert verdict == ReadinessVerdict(Liveness.ALIVE, ReadinessState.READY)


def test_an_exit_that_was_collected_fails_the_start() -> None:
    verdict = judge(Observation(Sighting.GONE, exit_code=1))
    assert (verdict.liveness, verdict.readiness) == (Liveness.DEAD, ReadinessState.FAILED)
    assert code(verdict) == "ERR_EXEC_RUNTIME_EXITED_EARLY"


@pytest.mark.parametrize(
    ("sighting", "wanted"),
    [
        (Sighting.GONE, "ERR_RECONCILE_PROCESS_MISSING"),
        (Sighting.UNSEEN, "ERR_RECONCILE_STATUS_UNREADABLE"),
        (Sighting.SEVERAL, "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"),
        (Sighting.UNPROVED, "ERR_RECOVERY_UNPROVED_CARRIER"),
        (Sighting.UNMARKED, "ERR_RECOVERY_UNMARKED_IN_GROUP"),
        (Sighting.FOREIGN, "ERR_RECOVERY_FOREIGN_PROCESS"),
    ],
)
def test_what_is_not_known_is_neither_ready_nor_failed(sighting: Sighting, wanted: str) -> None:
    verdict = judge(Observation(sighting), 1000)
    assert (verdict.liveness, verdict.readiness) == (Liveness.UNKNOWN, ReadinessState.UNKNOWN)
    assert code(verdict) == wanted
