"""A request that cannot be made: whoever asks hears one kind of error, and asks again."""

from pathlib import Path

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.credentials import Credentials
from schedune_kube.errors import ApiUnavailableError, NoAnswerError
from schedune_kube.resources import NODETRUTHS


@pytest.fixture
def lost(tmp_path: Path) -> Credentials:
    """Name a token file that is not there: it is about to be renewed."""
    return Credentials("http://127.0.0.1:1", token_file=tmp_path / "token")


async def test_a_token_that_cannot_be_read_now_is_no_answer(lost: Credentials) -> None:
    async with KubeClient(lost, field_manager="test") as client:
        with pytest.raises(NoAnswerError, match="token"):
            await client.get(NODETRUTHS, "node")


async def test_nor_does_it_end_whoever_watches(lost: Credentials) -> None:
    async with KubeClient(lost, field_manager="test") as client:
        with pytest.raises(ApiUnavailableError, match="token"):
            async for _ in client.watch(NODETRUTHS, resource_version="1"):
                pass
