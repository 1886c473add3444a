"""``schedune drain`` over minutes: a look that had no answer is taken again, a typo is named."""

from collections.abc import Mapping
from typing import Any

import pytest

from schedune.api.nodetruth import Scheduling
from schedune_cli.clock import read_clock
from schedune_cli.problems import BadInputError
from schedune_cli.recording import drain
from schedune_cli.recording.drain import Drain, schedule
from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.errors import (
    ApiError,
    ApiUnavailableError,
    ForbiddenError,
    NoAnswerError,
    NotFoundError,
)
from schedune_kube.resources import NODETRUTHS, VMPLACEMENTS, VMWORKLOADS

TRUTH = {"metadata": {"name": "arm-01"}, "spec": {"scheduling": "Draining"}}
NONE: dict[str, Any] = {"items": []}
ANSWERS: Mapping[str, Any] = {
    NODETRUTHS.path(None, "arm-01"): TRUTH,
    NODETRUTHS.path(None): {"items": [TRUTH]},
    VMPLACEMENTS.path(None): NONE,
}


class Prepared(KubeClient):
    """A client to which each path answers what was prepared; once, an error comes first."""

    def __init__(self, answers: Mapping[str, Any], *errors: ApiError) -> None:
        super().__init__(Credentials("http://127.0.0.1:1"), field_manager="test")
        self.answers, self.errors = answers, list(errors)
        self.asked: list[str] = []

    async def _ask(self, method: str, path: str, *_: Any, **__: Any) -> Any:
        self.asked.append(path)
        if method == "GET" and self.errors:
            raise self.errors.pop()
        answer = self.answers.get(path, NotFoundError(f"404: {path}"))
        if isinstance(answer, ApiError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_PAUSE_S", 0.0)


def draining(warnings: list[str], limit_s: float | None = None) -> Drain:
    return Drain("arm-01", read_clock, lambda _: None, warnings.append, limit_s)


def placed(name: str, node: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "a", "name": name},
        "spec": {"nodeName": node, "mode": "Execute"},
    }


async def test_what_left_the_node_is_followed_to_where_it_is_now_and_nobody_else_is_read() -> None:
    answers = {
        **ANSWERS,
        VMPLACEMENTS.path(None): {"items": [placed("stays", "arm-01"), placed("moves", "arm-01")]},
        VMWORKLOADS.path("a", "stays"): {},
        VMWORKLOADS.path("a", "moves"): {},
    }
    client = Prepared(answers)
    order = draining([], -1.0)
    await order.run(client)
    client.answers = {
        **answers,
        VMPLACEMENTS.path(None): {"items": [placed("stays", "arm-01")]},
        VMPLACEMENTS.path("a", "moves"): placed("moves", "arm-02"),
    }
    client.asked.clear()
    report = await order.run(client)
    told = [(one.name, one.outcome, one.after) for one in report.vms]
    assert told == [("moves", "Left", "arm-02"), ("stays", "Waits", "")]
    assert sorted(client.asked[1:]) == sorted(
        [
            NODETRUTHS.path(None, "arm-01"),
            VMPLACEMENTS.path(None),
            VMPLACEMENTS.path("a", "moves"),
            VMWORKLOADS.path("a", "stays"),
        ]
    )


async def test_a_vm_that_is_nowhere_yet_has_left() -> None:
    answers = {**ANSWERS, VMPLACEMENTS.path(None): {"items": [placed("moves", "arm-01")]}}
    client = Prepared(answers)
    order = draining([], -1.0)
    await order.run(client)
    client.answers = ANSWERS
    assert [(one.outcome, one.after) for one in (await order.run(client)).vms] == [("Left", "")]


@pytest.mark.parametrize(
    "error", [ApiUnavailableError("503: down"), NoAnswerError("timed out: down")]
)
async def test_a_look_without_an_answer_is_told_and_taken_again(error: ApiError) -> None:
    warnings: list[str] = []
    report = await draining(warnings).run(Prepared(ANSWERS, error))
    assert report.state == "Drained"
    assert warnings == [f"no answer, asking again: {error}"]


@pytest.mark.parametrize(("patience", "limit_s"), [(-1.0, None), (300.0, -1.0)])
async def test_a_server_that_stays_silent_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch, patience: float, limit_s: float | None
) -> None:
    monkeypatch.setattr(drain, "_PATIENCE_S", patience)
    with pytest.raises(ApiUnavailableError):
        await draining([], limit_s).run(Prepared(ANSWERS, ApiUnavailableError("503: down")))


async def test_a_node_that_is_not_there_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadInputError, match=r"no NodeTruth arm-10; did you mean arm-01\?"):
        await schedule(Prepared(ANSWERS), "arm-10", Scheduling.ENABLED)


async def test_who_may_not_list_nodes_is_told_the_same_of_one_that_is_not_there() -> None:
    forbidden = {NODETRUTHS.path(None): ForbiddenError("403: no")}
    with pytest.raises(BadInputError, match="there is no NodeTruth arm-10"):
        await schedule(Prepared(forbidden), "arm-10", Scheduling.ENABLED)


async def test_where_no_node_truths_can_be_our_definitions_are_what_is_missing() -> None:
    with pytest.raises(NotFoundError):
        await schedule(Prepared({}), "arm-10", Scheduling.ENABLED)
