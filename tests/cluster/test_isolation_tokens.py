"""Who speaks: a node is believed only by the token of a pod that runs there now."""

import base64
from collections.abc import Callable, Iterator

import pytest

from schedune_testing.control_plane import Answer
from schedune_testing.refusals import words
from schedune_testing.speaking import AGENT, AGENTS, Object, Speaker, ask_token, make_node, make_pod
from schedune_testing.two_nodes import (
    LEASES_HERE,
    OTHER,
    OWN,
    PLACEMENTS,
    TRUTHS,
    TwoNodes,
    heartbeat,
)
from schedune_testing.waiting import until

SPEAKS_FOR_NO_NODE = (
    "the agent must use a token that is bound to its pod: this one names no node, so it may write"
    " nothing; use the token that Kubernetes projects into the agent's pod"
)
PODS = f"/api/v1/namespaces/{AGENTS}/pods"
REVOKED_S = 40.0
"""The API server believes a token for about ten seconds after it looked last."""
MakeToken = Callable[[Speaker], str]


@pytest.fixture
def bearing(nodes: TwoNodes) -> Iterator[Callable[[str], Speaker]]:
    """Speak as whoever bears a token."""
    opened: list[Speaker] = []

    def speak(token: str) -> Speaker:
        opened.append(Speaker(nodes.admin.control_plane, token))
        return opened[-1]

    yield speak
    for one in opened:
        one.close()


def writes_of_node_a(speaker: Speaker, nodes: TwoNodes) -> dict[str, Answer]:
    """Try every kind of write that the agent of node-a may do."""
    return {
        "make a truth": speaker.ask("POST", TRUTHS, nodes.truth("node-a")),
        "tell facts": speaker.apply(f"{TRUTHS}/{OWN}/status", nodes.told()),
        "make a heartbeat": speaker.ask("POST", LEASES_HERE, heartbeat(OWN)),
        "renew a heartbeat": speaker.merge(f"{LEASES_HERE}/{OWN}", {"spec": {"renewTime": None}}),
        "tell of a placement": speaker.merge(
            f"{PLACEMENTS}/mine/status", {"status": {"state": "Running"}}
        ),
    }


def unbound(admin: Speaker) -> str:
    return ask_token(admin)


def of_a_secret(admin: Speaker) -> str:
    """Return a token of the old kind: it stands in a Secret and never expires."""
    secrets = f"/api/v1/namespaces/{AGENTS}/secrets"
    account = {"kubernetes.io/service-account.name": AGENT}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "agent-legacy", "annotations": account},
    }
    admin.make(secrets, secret)

    def held() -> Object:
        return dict(admin.must("GET", f"{secrets}/agent-legacy").get("data") or {})

    until(lambda: "token" in held())
    return base64.b64decode(held()["token"]).decode()


def of_a_pod_without_a_node(admin: Speaker) -> str:
    containers = [{"name": "agent", "image": "none"}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent-unplaced", "namespace": AGENTS},
        "spec": {"serviceAccountName": AGENT, "containers": containers},
    }
    return ask_token(admin, admin.make(PODS, pod))


@pytest.mark.parametrize("make_token", [unbound, of_a_secret, of_a_pod_without_a_node])
def test_a_token_that_names_no_node_writes_nothing(
    nodes: TwoNodes, bearing: Callable[[str], Speaker], make_token: MakeToken
) -> None:
    speaker = bearing(make_token(nodes.admin))
    for what, answer in writes_of_node_a(speaker, nodes).items():
        assert (answer.status, words(answer)) == (403, SPEAKS_FOR_NO_NODE), what


def test_a_token_of_a_pod_on_another_node_speaks_for_that_node(
    nodes: TwoNodes, bearing: Callable[[str], Speaker]
) -> None:
    pod = make_pod(nodes.admin, OTHER, "agent-elsewhere")
    speaker = bearing(ask_token(nodes.admin, pod))
    for what, answer in writes_of_node_a(speaker, nodes).items():
        assert answer.status == 403, what
        assert "the agent of node node-b may not" in words(answer), what
        assert "it belongs to node node-a" in words(answer), what


@pytest.mark.parametrize(
    ("namespace", "account"), [(AGENTS, "default"), ("default", AGENT)], ids=["other", "namesake"]
)
def test_a_pod_of_another_account_on_the_same_node_writes_nothing(
    nodes: TwoNodes, bearing: Callable[[str], Speaker], namespace: str, account: str
) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    metadata = {"name": account, "namespace": namespace}
    nodes.admin.make(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    pod = make_pod(nodes.admin, OWN, f"stranger-{account}", account, namespace)
    speaker = bearing(ask_token(nodes.admin, pod, account, namespace))
    for what, answer in writes_of_node_a(speaker, nodes).items():
        assert answer.status == 403, what
        assert f'User "system:serviceaccount:{namespace}:{account}" cannot' in words(answer), what


def test_a_token_ends_with_its_pod(nodes: TwoNodes, bearing: Callable[[str], Speaker]) -> None:
    pod = make_pod(nodes.admin, OWN, "agent-short")
    speaker = bearing(ask_token(nodes.admin, pod))
    assert speaker.apply(f"{TRUTHS}/{OWN}/status", nodes.told()).accepted
    nodes.admin.must("DELETE", f"{PODS}/agent-short?gracePeriodSeconds=0")
    until(lambda: speaker.apply(f"{TRUTHS}/{OWN}/status", nodes.told()).status == 401, REVOKED_S)
    for what, answer in writes_of_node_a(speaker, nodes).items():
        assert (answer.status, words(answer)) == (401, "Unauthorized"), what


def of_another_signature(admin: Speaker) -> str:
    pod = make_pod(admin, OWN, "agent-node-a")
    head, payload, signature = ask_token(admin, pod).split(".")
    return ".".join([head, payload, signature[::-1]])


def of_another_node_by_hand(admin: Speaker) -> str:
    pod = make_pod(admin, OTHER, "agent-node-b")
    head, payload, signature = ask_token(admin, pod).split(".")
    claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    forged = base64.urlsafe_b64encode(claims.replace(b"node-b", b"node-a")).decode().rstrip("=")
    return ".".join([head, forged, signature])


@pytest.mark.parametrize("make_token", [of_another_signature, of_another_node_by_hand])
def test_a_forged_token_is_nobody(
    nodes: TwoNodes, bearing: Callable[[str], Speaker], make_token: MakeToken
) -> None:
    for what, answer in writes_of_node_a(bearing(make_token(nodes.admin)), nodes).items():
        assert (answer.status, words(answer)) == (401, "Unauthorized"), what


@pytest.mark.parametrize(
    "name",
    ["system:serviceaccount:schedune-system:schedune-operator", "system:node:node-b", "anybody"],
)
def test_an_agent_speaks_in_nobody_elses_name(nodes: TwoNodes, name: str) -> None:
    header = {"Impersonate-User": name}
    answer = nodes.agent.ask("POST", PLACEMENTS, nodes.binding("forged"), headers=header)
    assert answer.status == 403
    assert "cannot impersonate" in words(answer)


def test_whoever_takes_on_the_agents_name_without_a_node_writes_nothing(nodes: TwoNodes) -> None:
    header = {"Impersonate-User": "system:serviceaccount:schedune-agents:schedune-agent"}
    answer = nodes.admin.ask("POST", LEASES_HERE, heartbeat(OWN), headers=header)
    assert (answer.status, words(answer)) == (403, SPEAKS_FOR_NO_NODE)


def test_an_agent_of_a_node_that_was_replaced_tells_nothing_of_the_new_one(
    nodes: TwoNodes, bearing: Callable[[str], Speaker]
) -> None:
    admin, name = nodes.admin, "node-r"
    old = make_node(admin, name)["metadata"]["uid"]
    speaker = bearing(ask_token(admin, make_pod(admin, name, f"agent-{name}")))
    admin.must("DELETE", f"/api/v1/nodes/{name}")
    new = make_node(admin, name)["metadata"]["uid"]
    assert new != old
    made = speaker.ask("POST", TRUTHS, nodes.truth(name, new))
    assert (made.status, "its Node node-r with UID <UID>" in words(made)) == (403, True)
    nodes.place("bound-anew", name, new)
    told = speaker.merge(f"{PLACEMENTS}/bound-anew/status", {"status": {"state": "Exited"}})
    assert told.status == 403
    assert "a Node of the same name is another node" in words(told)
