"""What kubectl says at ``apply``: a real API server calls the operator, by its certificate."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from subprocess import CompletedProcess
from typing import Any

import aiohttp
import pytest
import yaml
from cryptography import x509

from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError, NotFoundError
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import NAMESPACES, VALIDATINGWEBHOOKS, VMWORKLOADS, Resource
from schedune_operator.app import Operator
from schedune_testing.accounts import Object, ensure
from schedune_testing.agents import publishing
from schedune_testing.cleaning import clean
from schedune_testing.control_plane import ControlPlane
from schedune_testing.freshness import becomes, until
from schedune_testing.nodes import workload
from schedune_testing.operators import operating

Done = CompletedProcess[str]
LASTING = {"leaseDurationSeconds": 30}
"""Heartbeats that count for long: these tests are not about silence."""
BUSY_S = 60.0
"""How long to wait for what takes a moment on a machine that has nothing else to do."""
NAME, HOOK = "schedune-workloads", "workloads.schedune.io"
RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
BINDINGS = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
SERVED = {
    "host": "127.0.0.1",
    "port": 0,
    "names": ["127.0.0.1"],
    "upkeepSeconds": 0.3,
    "answerSeconds": 5,
}
HUGE = {"resources": {"vcpus": 2, "memory": "18Gi"}}


@pytest.fixture(scope="module")
def control_plane(own_control_plane: ControlPlane) -> ControlPlane:
    """Take one of our own: whoever applies a workload there is answered."""
    return own_control_plane


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as client:
        await grant(client)
        yield client
        with suppress(NotFoundError):
            await client.delete(VALIDATINGWEBHOOKS, NAME)
        await client.merge_patch(NAMESPACES, "default", labelled(None))
        await clean(client)


async def grant(admin: KubeClient) -> None:
    """Let the operator put its authority into the configuration, and nothing more."""
    rule = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
        "resourceNames": [NAME],
        "verbs": ["get", "patch"],
    }
    name = "schedune-operator-webhook"
    subject = {
        "kind": "ServiceAccount",
        "name": "schedune-operator",
        "namespace": "schedune-system",
    }
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    await ensure(admin, ROLES, {"metadata": {"name": name}, "rules": [rule]})
    bound = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    await ensure(admin, BINDINGS, bound)


def labelled(value: str | None) -> Object:
    return {"metadata": {"labels": {"schedune.io/admission": value}}}


def configuration(port: int) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": HOOK,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 3,
                "clientConfig": {"url": f"https://127.0.0.1:{port}/admit"},
                "rules": [
                    {
                        "apiGroups": ["schedune.io"],
                        "apiVersions": ["v1alpha1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["vmworkloads"],
                    }
                ],
            }
        ],
    }


async def bundle(admin: KubeClient) -> list[x509.Certificate]:
    """Return the authorities that the API server trusts."""
    hook = (await admin.get(VALIDATINGWEBHOOKS, NAME))["webhooks"][0]
    text = base64.b64decode(hook["clientConfig"].get("caBundle") or "")
    return x509.load_pem_x509_certificates(text) if text else []


@asynccontextmanager
async def answering(
    control_plane: ControlPlane, admin: KubeClient, **settings: Any
) -> AsyncIterator[Operator]:
    """Run an operator that answers, known to the API server."""
    async with operating(control_plane, admin, admission={**SERVED, **settings}) as operator:
        webhook = operator.webhook
        assert webhook is not None

        async def is_served() -> bool:
            return webhook.port > 0

        await until(is_served, BUSY_S)
        await ensure(admin, VALIDATINGWEBHOOKS, configuration(webhook.port))

        async def is_known() -> bool:
            return bool(await bundle(admin))

        await until(is_known, BUSY_S)
        yield operator


def vm(name: str, **spec: Any) -> str:
    body = workload(**spec)
    return yaml.safe_dump({**body, "metadata": {"name": name, "namespace": "default"}})


async def apply(control_plane: ControlPlane, text: str, *options: str) -> Done:
    """Apply beside the event loop, in which the operator answers."""
    argv = ("apply", "-f", "-", *options)
    return await asyncio.to_thread(control_plane.kubectl, *argv, stdin=text)


async def says(control_plane: ControlPlane, words: str, text: str, *options: str) -> None:
    """Wait until kubectl's answer holds these words: a new webhook is called after a moment."""

    async def told() -> bool:
        return words in (await apply(control_plane, text, *options)).stderr

    await until(told, BUSY_S)


WARNING = "Warning: 0/1 nodes can run this now; nearest arm-01 (memory short by "


@pytest.mark.parametrize("options", [(), ("--dry-run=server",)])
async def test_apply_is_answered_with_how_many_nodes_can_run_it_and_what_the_nearest_lacks(
    control_plane: ControlPlane, admin: KubeClient, options: tuple[str, ...]
) -> None:
    async with (
        answering(control_plane, admin),
        publishing(control_plane, admin, "arm-01", settings=LASTING),
    ):
        await becomes(admin, "arm-01", "True", BUSY_S)
        await says(control_plane, WARNING, vm("huge", **HUGE), *options)
        fine = await apply(control_plane, vm("fine"), *options)
        assert fine.returncode == 0
        assert "Warning" not in fine.stderr
        stopped = await apply(control_plane, vm("off", runState="Stopped", **HUGE), *options)
        assert "Warning" not in stopped.stderr
        names = {one["metadata"]["name"] for one in (await admin.list(VMWORKLOADS))[0]}
        assert names == (set() if options else {"huge", "fine", "off"})


async def test_a_label_of_the_namespace_turns_the_warning_into_a_refusal(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with (
        answering(control_plane, admin),
        publishing(control_plane, admin, "arm-01", settings=LASTING),
    ):
        await becomes(admin, "arm-01", "True", BUSY_S)
        await says(control_plane, WARNING, vm("first", **HUGE), "--dry-run=server")
        await admin.merge_patch(NAMESPACES, "default", labelled("refuse"))
        refused = f'admission webhook "{HOOK}" denied the request: 0/1 nodes can run this now'
        await says(control_plane, refused, vm("first", **HUGE))
        assert (await apply(control_plane, vm("first", **HUGE))).returncode == 1
        assert (await apply(control_plane, vm("fine"))).returncode == 0
        assert [one["metadata"]["name"] for one in (await admin.list(VMWORKLOADS))[0]] == ["fine"]


async def test_a_quota_that_is_full_is_told_at_apply(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    quota = "schedune.io/max-vcpus"
    await admin.merge_patch(NAMESPACES, "default", {"metadata": {"annotations": {quota: "1"}}})
    try:
        async with (
            answering(control_plane, admin),
            publishing(control_plane, admin, "arm-01", settings=LASTING),
        ):
            await becomes(admin, "arm-01", "True", BUSY_S)
            told = "0/1 nodes can run this now; nearest arm-01 (vcpus short by 1)"
            await says(control_plane, told, vm("second"), "--dry-run=server")
    finally:
        gone = {"metadata": {"annotations": {quota: None}}}
        await admin.merge_patch(NAMESPACES, "default", gone)


async def test_two_operators_are_both_trusted_and_a_certificate_is_followed_by_the_next(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with answering(control_plane, admin, certificateSeconds=9):
        (first,) = await bundle(admin)
        async with operating(control_plane, admin, admission=SERVED):

            async def are_both() -> bool:
                return len(await bundle(admin)) >= 2

            await until(are_both, BUSY_S)
        await says(control_plane, "0/0 nodes can run this now", vm("vm"), "--dry-run=server")

        async def is_another() -> bool:
            return first not in await bundle(admin)

        await until(is_another, 30)
        told = await apply(control_plane, vm("vm"), "--dry-run=server")
        assert "Warning: 0/0 nodes can run this now: no nodes are known" in told.stderr


async def test_a_configuration_that_somebody_emptied_stays_empty_and_ends_no_operator(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with answering(control_plane, admin) as operator:
        assert operator.webhook is not None
        port = operator.webhook.port
        await admin.merge_patch(VALIDATINGWEBHOOKS, NAME, {"webhooks": []})
        await asyncio.sleep(5 * SERVED["upkeepSeconds"])
        assert "webhooks" not in await admin.get(VALIDATINGWEBHOOKS, NAME)
        assert operator.webhook.port == port, "it is served as before"
        again = {"webhooks": configuration(port)["webhooks"]}
        await admin.merge_patch(VALIDATINGWEBHOOKS, NAME, again)
        await says(control_plane, "Warning: 0/0", vm("vm", **HUGE), "--dry-run=server")


async def test_without_an_operator_everything_is_applied_as_before(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with answering(control_plane, admin):
        await says(control_plane, "Warning: 0/0", vm("vm", **HUGE), "--dry-run=server")
    began = time.monotonic()
    done = await apply(control_plane, vm("vm", **HUGE))
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 30


async def test_nonsense_is_refused_to_whoever_sends_it_and_harms_nothing(
    control_plane: ControlPlane, admin: KubeClient
) -> None:
    async with answering(control_plane, admin) as operator:
        assert operator.webhook is not None
        url = f"https://127.0.0.1:{operator.webhook.port}/admit"
        async with aiohttp.ClientSession() as session:
            for body in (b"", b"[]", b"{}", b'{"request": {"uid": 1, "object": {}}}'):
                async with session.post(url, data=body, ssl=False) as answer:
                    assert answer.status == 400, body
            odd = {"request": {"uid": "u", "object": {"spec": 7}, "namespace": "default"}}
            async with session.post(url, json=odd, ssl=False) as answer:
                told = await answer.json()
                assert told["response"]["uid"] == "u"
                assert told["response"]["allowed"] is True
        with suppress(ApiError):
            await admin.delete(VALIDATINGWEBHOOKS, NAME)
