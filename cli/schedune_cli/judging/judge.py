"""Judge workloads one by one, or one after another with what the earlier ones reserve."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.decision.decide import Decision, decide
from schedune.decision.explanation import Explanation
from schedune.decision.reservation import record_for
from schedune.explaining import form
from schedune.explaining.explain import explain
from schedune.fleet.fleet import Fleet
from schedune_cli.problems import Problem, shorten
from schedune_cli.reading.objects import Key
from schedune_cli.reading.workloads import Given
from schedune_cli.recording.claims import claim_uid
from schedune_cli.recording.world import World

T = TypeVar("T")


class Judge:
    """Decides on one fleet, at one moment, by one policy."""

    def __init__(self, world: World, *, now: datetime, policy: SchedulingPolicy) -> None:
        self._world = world
        self._fleet: Fleet = world.fleet()
        self._now, self._policy = now, policy

    def look(self, given: Given, tell: Callable[[Explanation], T]) -> T:
        """Decide on a workload as if its own VM were not there, and tell of it.

        What is told is made at once: the decision's evidence is read from the fleet.
        """
        placement = self._world.placements.get(given.key)
        with self._fleet.without(claim_uid(placement) if placement else ""):
            return tell(Explanation(self._decide(given)))

    def _decide(self, given: Given) -> Decision:
        return decide(self._fleet, given.intent, now=self._now, policy=self._policy)

    def explain(self, given: Given) -> form.Explanation:
        """Return everything that can be told of one workload."""
        placement = self._world.placements.get(given.key)
        placed_on = placement.spec.node_name if placement else ""
        return self.look(given, lambda found: explain(given, found, placed_on))

    def explain_together(self, workloads: Iterable[Given]) -> list[form.Explanation]:
        """Place one after another, in order of namespace and name; the earlier ones reserve.

        What has a VM already keeps what that holds: nothing moves it. What needs no node,
        and a dry run, reserves nothing.
        """
        return [self._explain_and_reserve(given) for given in workloads]

    def _explain_and_reserve(self, given: Given) -> form.Explanation:
        told = self.explain(given)
        reserves = given.intent.reserves and not self._world.why_no_node(given)
        if told.chosen and not told.placed_on and reserves:
            decision = self._decide(given)
            if decision.chosen is not None:
                uid = f"{given.intent.namespace}/{given.intent.name}"
                self._fleet.reserve(record_for(decision, decision.chosen, uid))
        return told


def explain_all(
    judge: Judge, workloads: Sequence[Given], problems: Iterable[Problem], *, together: bool
) -> form.ExplanationList:
    """Explain every workload, in order of namespace and name, whatever order they came in."""
    ordered = sorted(workloads, key=_key)
    items = (
        judge.explain_together(ordered) if together else [judge.explain(given) for given in ordered]
    )
    return form.ExplanationList(
        items=items, problems=[problem_form(one) for one in sorted(set(problems))]
    )


def _key(given: Given) -> Key:
    return given.key


def problem_form(problem: Problem) -> form.InputProblem:
    """Return a problem in the form in which it is told."""
    return form.InputProblem(
        position=form.Position(file=problem.place.file, line=problem.place.line),
        code=problem.code,
        field=problem.field,
        value=shorten(problem.value),
        message=problem.message,
        remedy=problem.remedy,
    )
