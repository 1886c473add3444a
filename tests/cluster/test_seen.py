"""The operator as it is seen on a real API server: who may read the fleet page, and the metrics."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from schedune_kube import reviews
from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import VMWORKLOADS
from schedune_testing.control_plane import ControlPlane
from schedune_testing.pages import served
from schedune_testing.recordings import ROOT
from schedune_testing.speaking import Speaker, ask_token
from schedune_testing.waiting import until

RIGHTS = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@pytest.fixture(scope="module")
def admin(control_plane: ControlPlane) -> Iterator[Speaker]:
    speaker = Speaker(control_plane)
    for one in yaml.safe_load_all((ROOT / "manifests/components/fleet-page/rbac.yaml").read_text()):
        speaker.make(f"{RIGHTS}/{one['kind'].lower()}s", one)
    yield speaker
    speaker.close()


@contextmanager
def account(admin: Speaker, name: str, role: str | None) -> Iterator[str]:
    """Give the token of an account that has one ClusterRole everywhere, or none."""
    metadata = {"name": name, "namespace": "default"}
    admin.make(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"seen-{name}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", **metadata}],
    }
    if role:
        admin.make(f"{RIGHTS}/clusterrolebindings", binding)
    yield ask_token(admin, None, name, "default")
    if role:
        admin.ask("DELETE", f"{RIGHTS}/clusterrolebindings/seen-{name}")


async def test_only_whom_the_api_server_lets_list_the_fleet_reads_the_page(
    control_plane: ControlPlane, admin: Speaker, tmp_path: Path
) -> None:
    async with served(control_plane, tmp_path) as page:
        status, told, challenge = await page.ask()
        assert (status, "arm-01" in told) == (401, False)
        assert challenge.startswith("Basic ")
        assert await page.status("made-up") == 401
        with account(admin, "nobody", None) as token:
            status, told, _ = await page.ask(Authorization=f"Bearer {token}")
            assert (status, "arm-01" in told) == (403, False)
            assert "schedune-fleet-viewer" in told
        with account(admin, "viewer", "schedune-fleet-viewer") as token:
            assert await page.status(token) == 200
            auth = base64.b64encode(f"anybody:{token}".encode()).decode()
            status, told, _ = await page.ask(Authorization=f"Basic {auth}")
            assert (status, "arm-01-1" in told) == (200, True)


async def test_a_right_that_is_taken_away_ends_with_what_is_held_of_it(
    control_plane: ControlPlane,
    admin: Speaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reviews, "HELD_S", 0.0)
    async with served(control_plane, tmp_path) as page:
        with account(admin, "leaves", "schedune-fleet-viewer") as token:
            assert await page.status(token) == 200
        async with asyncio.timeout(30):
            while await page.status(token) != 403:  # noqa: ASYNC110 - RBAC tells nobody
                await asyncio.sleep(0.1)


async def test_a_reader_is_not_asked_about_again_for_a_moment(
    control_plane: ControlPlane, admin: Speaker
) -> None:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    asked: list[str] = []

    def count(_method: str, path: str, _status: int | None) -> None:
        asked.append(path.rpartition("/")[2])

    moment = [0.0]
    async with KubeClient(credentials, field_manager="test", meter=count) as client:
        reader = reviews.Reader(client, (VMWORKLOADS,), lambda: moment[0])
        with account(admin, "again", None) as token:
            for _ in range(3):
                assert await reader.judge(token) is reviews.Verdict.FORBIDDEN
            assert asked == ["tokenreviews", "subjectaccessreviews"]
            moment[0] = reviews.HELD_S
            assert await reader.judge(token) is reviews.Verdict.FORBIDDEN
            assert len(asked) == 4


def test_the_fleet_page_s_rights_are_what_it_asks(
    control_plane: ControlPlane, admin: Speaker
) -> None:
    operator = Speaker(control_plane, ask_token(admin, account="schedune-operator"))
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "x"},
    }
    at = "/apis/authentication.k8s.io/v1/tokenreviews"
    until(lambda: operator.ask("POST", at, review).accepted)
    admin.must("DELETE", f"{RIGHTS}/clusterrolebindings/schedune-fleet-page")
    until(lambda: operator.ask("POST", at, review).status == 403)
    operator.close()
