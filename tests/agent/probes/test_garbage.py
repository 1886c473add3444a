"""Garbage in /proc and /sys: no file can stop a probe, and one costs its own facts only."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedune.api.nodetruth import NodeTruthStatus
from schedune.evidence.health import Memory, judge
from schedune.evidence.health_rules import RULES
from schedune_agent.probes.clock import ClockFamily
from schedune_agent.probes.disk_health import DiskHealthFamily
from schedune_agent.probes.family import Family, Outcome, observe
from schedune_agent.probes.memory import MemoryFamily
from schedune_agent.probes.operating_system import SystemFamily
from schedune_agent.probes.own_cgroup import LimitsFamily
from schedune_agent.probes.pressure import PressureFamily
from schedune_agent.probes.processor import ProcessorFamily
from schedune_agent.probes.thermal import ThermalFamily
from schedune_agent.system.host_files import HostFiles
from schedune_testing.recorded import FOLDER, NAMES, recorded, write

NOW = datetime(2026, 11, 25, tzinfo=UTC)
BOUND = 32 * 1024
MAY_FAIL = {"cpu", "memory"}
"""Without a number of CPUs and a size of memory there is no fact of these at all."""
Mutation = Callable[[Path], object]


def families(files: HostFiles) -> list[Family]:
    return [
        ProcessorFamily(files),
        MemoryFamily(files),
        LimitsFamily(files, 2**30),
        SystemFamily(files),
        ClockFamily(files, lambda: None),
        PressureFamily(files),
        DiskHealthFamily(files),
        ThermalFamily(files),
    ]


def look(files: HostFiles) -> list[Outcome]:
    async def every() -> list[Outcome]:
        return list(await asyncio.gather(*(observe(one) for one in families(files))))

    return asyncio.run(every())


def overwrite(content: bytes) -> Mutation:
    return lambda path: path.write_bytes(content)


def cut(share: float) -> Mutation:
    def mutate(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return mutate


def replace(make: Mutation) -> Mutation:
    def mutate(path: Path) -> None:
        path.unlink()
        make(path)

    return mutate


_HUGE = b"9" * 300_000
_EXTREMES = (
    "", "-1", "0", "9" * 19, "9" * 400, "nan", "1e309", "0-999999", "0-4294967295", "5-2", "max 0",
    "0 0", "\u0663", "\x00\x01\x02", "[", "[]", "a: b\n" * 20_000, "MemTotal: 99999999999999999 kB",
    "some avg60=999.99", "full avg60=nan", "0::/" + "a/" * 5_000, "0::/../..", "\n\n\n", ":" * 999,
)  # fmt: skip
MUTATIONS = st.one_of(
    st.binary(max_size=200).map(overwrite),
    st.sampled_from([overwrite(one.encode()) for one in _EXTREMES]),
    st.text(max_size=60).map(lambda text: overwrite(text.encode(errors="replace"))),
    st.floats(0, 1).map(cut),
    st.just(overwrite(_HUGE)),
    st.just(replace(os.mkfifo)),
    st.just(replace(lambda path: path.mkdir())),
    st.just(replace(lambda path: path.symlink_to(path))),
    st.just(replace(lambda path: path.symlink_to("/dev/zero"))),
    st.just(replace(lambda path: None)),
)


@contextmanager
def mutated(root: Path, changes: Sequence[tuple[str, Mutation]]) -> Iterator[None]:
    """Change files of a copied tree, and put them back."""
    before = {path: (root / path).read_bytes() for path, _ in changes}
    for path, mutate in dict(changes).items():
        mutate(root / path)
    yield
    for path, content in before.items():
        file = root / path
        if file.is_dir() and not file.is_symlink():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_bytes(content)


@pytest.fixture(scope="module", params=NAMES)
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("garbage") / request.param
    shutil.copytree(FOLDER / request.param / "tree", root)
    if request.param == "amd-epyc":
        # No recorded machine has sensors; reading them takes a child, so one tree is enough.
        write(
            root,
            sys__class__hwmon__hwmon0__temp1_input="40000",
            sys__class__hwmon__hwmon0__temp1_crit="90000",
        )
    return root


def paths(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_files_hold_every_family_answers_in_time_and_in_bounds(
    copied: Path, data: st.DataObject
) -> None:
    changes = data.draw(
        st.lists(st.tuples(st.sampled_from(paths(copied)), MUTATIONS), min_size=1, max_size=12)
    )
    with mutated(copied, changes):
        outcomes = look(HostFiles(copied))
    assert failed(outcomes) <= MAY_FAIL
    assert all(one.run.duration_milliseconds < 3000 for one in outcomes)
    assert size_of(outcomes) <= BOUND


@pytest.mark.parametrize("content", [b"", b"\xff" * 300, _HUGE, b"0-8191"])
def test_where_every_file_is_garbage_every_family_still_answers_and_in_bounds(
    copied: Path, content: bytes
) -> None:
    with mutated(copied, [(path, overwrite(content)) for path in paths(copied)]):
        outcomes = look(HostFiles(copied))
    assert failed(outcomes) <= MAY_FAIL
    assert size_of(outcomes) <= BOUND


def failed(outcomes: Sequence[Outcome]) -> set[str]:
    return {one.run.name for one in outcomes if one.run.outcome != "Succeeded"}


def size_of(outcomes: Sequence[Outcome]) -> int:
    """Put the answers together as the agent does, and return how long the status is.

    The API server keeps whole numbers in 64 bits.
    """
    parts = [one.part for one in outcomes]
    health, _ = judge(Memory(), [level for part in parts for level in part.levels], RULES, NOW)
    facts = {name: value for part in parts for name, value in part.facts.items()}
    answers = [answer.at(NOW) for part in parts for answer in part.answers]
    runs = [one.run for one in outcomes]
    status = NodeTruthStatus.model_validate(
        {**facts, "capabilities": answers, "health": health, "probes": runs}
    )
    told = status.render()
    assert NodeTruthStatus.model_validate_json(json.dumps(told)).render() == told
    assert all(abs(one) < 2**63 for one in numbers_in(told))
    return len(json.dumps(told))


def numbers_in(value: object) -> Iterator[int]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(one)
    elif isinstance(value, int):
        yield value


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_broken_file_leaves_every_family_that_does_not_read_it_as_it_was(
    copied: Path, data: st.DataObject
) -> None:
    folder, others = data.draw(
        st.sampled_from(
            [
                ("proc/meminfo", "memory"),
                ("proc/self", "limits"),
                ("proc/pressure", "pressure"),
                ("sys/kernel/mm", "memory"),
                ("sys/devices/system/cpu/vulnerabilities", "cpu"),
                ("sys/class/hwmon", "thermal"),
                ("sys/block", "disk-health"),
            ]
        )
    )
    inside = [path for path in paths(copied) if path.startswith(folder)]
    if not inside:
        return
    change = data.draw(st.tuples(st.sampled_from(inside), MUTATIONS))
    before = {one.run.name: (one.part, one.run.outcome) for one in look(HostFiles(copied))}
    with mutated(copied, [change]):
        after = {one.run.name: (one.part, one.run.outcome) for one in look(HostFiles(copied))}
    assert {name for name in before if before[name] != after[name]} <= {others}


@pytest.mark.parametrize(
    "path",
    [
        "proc/cpuinfo", "proc/pressure/io", "proc/self/mountinfo", "proc/sys/kernel/osrelease",
        "sys/class/dmi/id/sys_vendor", "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/vulnerabilities/mds", "sys/devices/system/node/node0/meminfo",
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "sys/fs/cgroup/kubepods/memory.max", "sys/kernel/mm/ksm/run",
    ],
)  # fmt: skip
def test_a_file_that_nobody_can_read_fails_no_probe_and_is_told(path: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "intel-skylake-server" / "tree", tmp_path, dirs_exist_ok=True)
    replace(os.mkfifo)(tmp_path / path)
    outcomes = look(HostFiles(tmp_path))
    assert {one.run.outcome for one in outcomes} == {"Succeeded"}
    assert f"{path}: is no regular file" in [told for one in outcomes for told in one.run.unread]


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_machine_leaves_no_question_open(name: str) -> None:
    for outcome in look(recorded(name)):
        assert outcome.run.outcome == "Succeeded"
        assert not outcome.run.unread


def test_an_empty_tree_fails_only_what_cannot_be_told_without_files(tmp_path: Path) -> None:
    assert failed(look(HostFiles(tmp_path))) == MAY_FAIL
