"""What keeps VMs apart: read from the kernel, and for control groups tried."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import CapabilityState
from schedune.codes import device_probes
from schedune.codes import security_probes as rows
from schedune_agent.probes import asking_child
from schedune_agent.probes.family import Answer, Part, observe
from schedune_agent.probes.security import SecurityFamily
from schedune_agent.system import cgroup
from schedune_agent.system.host_files import HOST, HostFiles

AnswerIn = Callable[[Part, str], Answer]
Put = Callable[[str, str], None]
SECCOMP = "/proc/sys/kernel/seccomp/actions_avail"
ALL = "kill_process kill_thread trap errno user_notif trace log allow\n"


@pytest.fixture
async def look(tmp_path: Path, answer_in: AnswerIn) -> Callable[..., object]:
    async def one(name: str, **settings: str) -> Answer:
        return answer_in(await SecurityFamily(HostFiles(tmp_path), **settings)(), name)

    return one


@pytest.mark.parametrize(
    ("actions", "state", "row"),
    [
        (ALL, CapabilityState.SUPPORTED, rows.CAP_SECCOMP_SUPPORTED),
        (None, CapabilityState.UNSUPPORTED, rows.CAP_SECCOMP_MISSING),
        ("errno allow", CapabilityState.UNSUPPORTED, rows.CAP_SECCOMP_MISSING),
        ("\0\0garbage", CapabilityState.UNKNOWN, device_probes.CAP_FACT_UNREADABLE),
    ],
)
async def test_seccomp_has_the_actions_that_filters_need(
    put: Put, look: Callable[..., object], actions: str | None, state: object, row: object
) -> None:
    if actions is not None:
        put(SECCOMP, actions)
    found = await look("kernel_seccomp_supported")
    assert (found.state, found.row) == (state, row)


async def test_a_file_in_the_kernels_place_that_cannot_be_read_is_unknown(
    tmp_path: Path, look: Callable[..., object]
) -> None:
    (tmp_path / "proc/sys/kernel/seccomp").mkdir(parents=True)
    os.mkfifo(tmp_path / SECCOMP.lstrip("/"))
    found = await look("kernel_seccomp_supported")
    assert (found.state, found.source) == (CapabilityState.UNKNOWN, SECCOMP)


async def test_landlock_on_this_machine_tells_the_abi_of_its_kernel(answer_in: AnswerIn) -> None:
    found = answer_in(await SecurityFamily(HOST)(), "kernel_landlock_supported")
    said = asking_child.answer({"do": "syscall", "number": 444, "arguments": [0, 0, 1]})
    assert found.value == (str(said["value"]) if "value" in said else None)
    assert (found.state is CapabilityState.SUPPORTED) == ("value" in said)


@pytest.mark.parametrize(
    ("number", "state", "row"),
    [
        (38, CapabilityState.UNSUPPORTED, rows.CAP_LANDLOCK_MISSING),
        (95, CapabilityState.UNSUPPORTED, rows.CAP_LANDLOCK_MISSING),
        (1, CapabilityState.UNKNOWN, device_probes.CAP_FACT_UNREADABLE),
    ],
)
async def test_a_kernel_without_landlock_is_told_from_one_that_does_not_say(
    monkeypatch: pytest.MonkeyPatch, answer_in: AnswerIn, number: int, state: object, row: object
) -> None:
    said = {"errno": number, "error": os.strerror(number)}
    monkeypatch.setattr(asking_child, "answer", lambda question: said)
    found = answer_in(await SecurityFamily(HOST)(), "kernel_landlock_supported")
    assert (found.state, found.row) == (state, row)


async def test_a_recorded_tree_tells_landlock_by_its_list_of_modules(
    put: Put, look: Callable[..., object]
) -> None:
    put("/sys/kernel/security/lsm", "capability,landlock,yama")
    assert (await look("kernel_landlock_supported")).state is CapabilityState.SUPPORTED
    put("/sys/kernel/security/lsm", "capability,yama")
    assert (await look("kernel_landlock_supported")).row is rows.CAP_LANDLOCK_MISSING


@pytest.mark.parametrize(
    ("files", "row", "value"),
    [
        ({"/proc/sys/user/max_user_namespaces": "1234"}, rows.CAP_NAMESPACES_SUPPORTED, "1234"),
        ({}, rows.CAP_NAMESPACES_SUPPORTED, None),
        ({"/proc/sys/user/max_user_namespaces": "0"}, rows.CAP_NAMESPACES_ROOT_ONLY, "0"),
        (
            {"/proc/sys/kernel/unprivileged_userns_clone": "0"},
            rows.CAP_NAMESPACES_ROOT_ONLY,
            "0",
        ),
        (
            {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
            rows.CAP_NAMESPACES_ROOT_ONLY,
            "0",
        ),
        (
            {"/proc/sys/user/max_user_namespaces": "many"},
            device_probes.CAP_FACT_UNREADABLE,
            None,
        ),
    ],
)
async def test_user_namespaces_are_for_everybody_or_for_root(
    put: Put, look: Callable[..., object], files: dict[str, str], row: object, value: object
) -> None:
    for name in ("mnt", "net", "pid", "user"):
        put(f"/proc/self/ns/{name}", "")
    for path, content in files.items():
        put(path, content)
    found = await look("kernel_namespaces_supported")
    assert (found.row, found.value) == (row, value)


async def test_a_kernel_without_some_namespaces_says_which(
    put: Put, look: Callable[..., object]
) -> None:
    assert (await look("kernel_namespaces_supported")).state is CapabilityState.UNKNOWN
    put("/proc/self/ns/mnt", "")
    put("/proc/self/ns/pid", "")
    found = await look("kernel_namespaces_supported")
    assert (found.row, found.observed) == (rows.CAP_NAMESPACES_MISSING, "net, user")


async def test_on_this_machine_control_groups_are_what_the_agent_can_make(
    answer_in: AnswerIn,
) -> None:
    found = answer_in(await SecurityFamily(HOST)(), "firecracker_cgroups_ready")
    assert (found.row is rows.CAP_CGROUPS_READY) == cgroup.can_contain()
    assert found.value in ("v2", "hybrid", "v1", None)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (["cgroup.procs", "cgroup.controllers"], "v2"),
        (["memory/cgroup.procs", "unified/cgroup.procs", "unified/cgroup.controllers"], "hybrid"),
        (["memory/cgroup.procs", "cpu/cgroup.procs"], "v1"),
    ],
)
async def test_control_groups_are_told_with_their_version(
    put: Put, look: Callable[..., object], files: list[str], version: str
) -> None:
    for name in files:
        put(f"/sys/fs/cgroup/{name}", "")
    found = await look("firecracker_cgroups_ready")
    assert (found.row, found.value) == (rows.CAP_CGROUPS_READY, version)


async def test_control_groups_that_are_absent_or_not_for_us_say_so(
    put: Put, look: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await look("firecracker_cgroups_ready")).row is rows.CAP_CGROUPS_MISSING
    put("/sys/fs/cgroup/cgroup.procs", "")
    told = await look("firecracker_cgroups_ready", containment="Session")
    assert (told.row, told.state) == (rows.CAP_CGROUPS_DENIED, CapabilityState.UNAVAILABLE)
    assert "containment: Session" in told.observed
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert (await look("firecracker_cgroups_ready")).row is rows.CAP_CGROUPS_DENIED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.sampled_from(range(4)), st.binary(max_size=80)))
async def test_garbage_costs_its_own_answer_and_no_other(
    tmp_path: Path, content: dict[int, bytes]
) -> None:
    paths = [
        SECCOMP,
        "/proc/sys/user/max_user_namespaces",
        "/sys/kernel/security/lsm",
        "/proc/self/ns",
    ]
    for number, data in content.items():
        file = tmp_path / paths[number].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    outcome = await observe(SecurityFamily(HostFiles(tmp_path)))
    assert outcome.run.outcome == "Succeeded"
    assert [one.name for one in outcome.part.answers] == list(SecurityFamily.answers_for)
