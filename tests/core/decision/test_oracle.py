"""The engine agrees with a plain loop, pair by pair, on fleets where anything may be wrong."""

from typing import Any

from hypothesis import given, settings

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.decision.decide import decide
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune_testing.fleets import BOOTS, VARIED_SPECS, fleets_with_heavy_files, varied_fleets
from schedune_testing.nodes import NOW, intent
from schedune_testing.oracle import PlainNode, compile_intent, judge

POLICY = SchedulingPolicy(backends=list(Backend))


@given(varied_fleets(most=8), VARIED_SPECS)
@settings(max_examples=200, deadline=None)
def test_every_pair_has_the_verdict_of_the_plain_loop(records: list[NodeRecord], spec: Any) -> None:
    assert_the_same(records, spec)


@given(fleets_with_heavy_files(), VARIED_SPECS, BOOTS)
@settings(max_examples=200, deadline=None)
def test_so_it_has_where_kernel_and_initrd_take_memory(
    records: list[NodeRecord], spec: Any, boot: Any
) -> None:
    assert_the_same(records, {**spec, "boot": boot})


def assert_the_same(records: list[NodeRecord], spec: Any) -> None:
    wanted = intent(**spec)
    decision = decide(Fleet.of(records), wanted, now=NOW, policy=POLICY)
    ordered = sorted(records, key=lambda record: record.name)
    plain = judge([PlainNode(one, NOW) for one in ordered], compile_intent(wanted, POLICY))
    for row, verdicts in enumerate(plain):
        engine = [bool(mask[row]) for mask in decision.launchable.values()]
        assert engine == verdicts
