"""Whose agent we are: by the token, again and again."""

import base64
import json
from pathlib import Path

import pytest

from schedune_agent.app import _watch_identity
from schedune_agent.identity import IdentityChangedError, NodeIdentity, read_identity
from schedune_agent.settings import AgentSettings


def write_token(path: Path, name: str, uid: str) -> None:
    claims = {"kubernetes.io": {"node": {"name": name, "uid": uid}}}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    path.write_text(f"header.{payload}.signature")


def settings_of(token: Path) -> AgentSettings:
    kubernetes = {"server": "https://127.0.0.1:1", "caFile": "/ca", "tokenFile": str(token)}
    return AgentSettings.model_validate(
        {"kubernetes": kubernetes, "clusterUID": "cluster-of-tests", "heartbeatSeconds": 0.01}
    )


async def test_a_token_that_speaks_for_another_node_ends_the_agent_of_the_former(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    write_token(token, "n", "old-uid")
    before: NodeIdentity = read_identity(token)
    write_token(token, "n", "new-uid")
    with pytest.raises(IdentityChangedError, match="UID old-uid, now it is for n with UID new-uid"):
        await _watch_identity(settings_of(token), before)
