"""Every way to reach what belongs to somebody else, refused by the real API server.

The tables in ``refusals/`` hold the requests and, word for word, the server's answers;
docs/security.md shows them to people.
"""

from collections.abc import Iterator

import pytest

from schedune_testing.refusals import Refusal, refusals, words
from schedune_testing.two_nodes import TwoNodes, every_right


@pytest.fixture(scope="module")
def unleashed(nodes: TwoNodes) -> Iterator[TwoNodes]:
    """Let somebody make the agents and the operator cluster-admin."""
    with (
        every_right(nodes.admin, nodes.agent, "schedune-agent"),
        every_right(nodes.admin, nodes.operator, "schedune-operator"),
    ):
        yield nodes


@pytest.mark.parametrize("row", refusals("agent"), ids=str)
def test_an_agent_cannot(nodes: TwoNodes, row: Refusal) -> None:
    answer = row.ask(nodes.agent, nodes)
    assert answer.status == 403, answer
    assert words(answer) in row.says


@pytest.mark.parametrize("row", refusals("newcomer"), ids=str)
def test_a_new_agent_cannot(nodes: TwoNodes, row: Refusal) -> None:
    answer = row.ask(nodes.newcomer, nodes)
    assert answer.status == 403, answer
    assert words(answer) in row.says


@pytest.mark.parametrize("row", refusals("operator"), ids=str)
def test_the_operator_cannot(nodes: TwoNodes, row: Refusal) -> None:
    answer = row.ask(nodes.operator, nodes)
    assert answer.status == 403, answer
    assert words(answer) in row.says


@pytest.mark.parametrize("row", refusals("administrator"), ids=str)
def test_an_administrator_cannot(nodes: TwoNodes, row: Refusal) -> None:
    answer = row.ask(nodes.admin, nodes)
    assert answer.status == 403, answer
    assert words(answer) in row.says


@pytest.mark.parametrize("row", refusals("agent_with_every_right"), ids=str)
def test_an_agent_that_somebody_made_cluster_admin_cannot(
    unleashed: TwoNodes, row: Refusal
) -> None:
    answer = row.ask(unleashed.agent, unleashed)
    assert answer.status == 403, answer
    assert words(answer) in row.says


@pytest.mark.parametrize("row", refusals("operator_with_every_right"), ids=str)
def test_an_operator_that_somebody_made_cluster_admin_cannot(
    unleashed: TwoNodes, row: Refusal
) -> None:
    answer = row.ask(unleashed.operator, unleashed)
    assert answer.status == 403, answer
    assert words(answer) in row.says
