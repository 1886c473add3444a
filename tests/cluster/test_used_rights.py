"""RBAC is exactly what the code calls: a full run of a lab, by the API server's audit log."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import VALIDATINGWEBHOOKS
from schedune_lab import lab as labs
from schedune_lab.existing import Wish
from schedune_operator.app import MANAGER
from schedune_testing import freshness
from schedune_testing.accounts import token_of
from schedune_testing.control_plane import OPERATOR, ControlPlane, running_control_plane
from schedune_testing.operators import operating
from schedune_testing.pages import served
from schedune_testing.waiting import until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
ACCOUNTS = {
    "system:serviceaccount:schedune-system:schedune-operator": "schedune-operator",
    "system:serviceaccount:schedune-agents:schedune-agent": "schedune-agent",
}
MANIFESTS = ROOT / "manifests"
WEBHOOK = MANIFESTS / "components" / "webhook" / "webhook.yaml"
PAGE = MANIFESTS / "components" / "fleet-page" / "rbac.yaml"
RIGHTS = (MANIFESTS / "base" / "rbac.yaml", WEBHOOK, PAGE)
"""Whatever is granted to the two, by what everybody installs or by a component."""
NEEDS_NO_CALL = {
    # OwnerReferencesPermissionEnforcement, off by default, asks for it when a placement is made.
    ("schedune-operator", "", "schedune.io", "vmworkloads/finalizers", "update"),
}
LOOKS_AT_LEASE = (
    "schedune-agent", "schedune-node-lease", "coordination.k8s.io", "leases", "get",
)  # fmt: skip
Object = dict[str, Any]
Right = tuple[str, str, str, str, str]
"""Account, namespace ("" is every one), group, resource, verb."""


def granted() -> set[Right]:
    """Return every right that the accounts are given, one by one."""
    roles, found = {}, set[Right]()
    documents = [one for path in RIGHTS for one in yaml.safe_load_all(path.read_text())]
    for one in documents:
        if one["kind"] in ("Role", "ClusterRole"):
            key = one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]
            roles[key] = one["rules"]
    for one in documents:
        if not one["kind"].endswith("Binding"):
            continue
        namespace = one["metadata"].get("namespace", "")
        kind, name = one["roleRef"]["kind"], one["roleRef"]["name"]
        rules = roles[kind, namespace if kind == "Role" else "", name]
        found |= {
            (subject["name"], namespace, group, resource, verb)
            for subject in one["subjects"]
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
    return found


@dataclass(frozen=True)
class Log:
    """What the API server wrote down."""

    path: Path

    def entries(self) -> Iterator[Object]:
        """Return what our two accounts asked for."""
        for line in self.path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the line that is being written
            if entry["user"]["username"] in ACCOUNTS and "objectRef" in entry:
                yield entry

    def used(self) -> Counter[Right]:
        """Count what was asked for, each by the narrowest right that gives it."""
        given = granted()
        return Counter(_right(entry, given) for entry in self.entries())

    def refused(self) -> list[str]:
        """Return what was asked for in vain."""
        return sorted({
            f"{ACCOUNTS[entry['user']['username']]}: {entry['verb']} {entry['objectRef']}"
            for entry in self.entries()
            if entry.get("responseStatus", {}).get("code") == 403
        })  # fmt: skip


def _right(entry: Object, given: set[Right]) -> Right:
    about = entry["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    account, namespace = ACCOUNTS[entry["user"]["username"]], about.get("namespace", "")
    own = account, namespace, about.get("apiGroup", ""), resource, entry["verb"]
    return own if own in given else (account, "", *own[2:])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """Live through everything that an operator and its agents have to do with the API server."""
    folder = tmp_path_factory.mktemp("audited")
    policy = folder / "audit.yaml"
    rule = {"level": "Metadata", "omitStages": ["RequestReceived"]}
    policy.write_text(
        yaml.safe_dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [rule]})
    )
    log = Log(folder / "audit.log")
    flags = (f"--audit-policy-file={policy}", f"--audit-log-path={log.path}")
    with running_control_plane(folder, flags, installed=False) as cluster:
        labs.up(folder / "lab", Wish(cluster.admin_kubeconfig))
        try:
            _live(cluster, log)
            _grant_components(cluster)
            asyncio.run(_serve_components(cluster, folder / "page"))
        finally:
            labs.down(folder / "lab")
        yield log


def _live(cluster: ControlPlane, log: Log) -> None:
    """A VM with a disk of its own is placed, restarted and deleted; a dry run loses its node."""

    def kubectl(*arguments: str, stdin: str | None = None) -> str:
        done = cluster.kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uid(placement: str) -> str:
        return cluster.kubectl("get", "vmp", placement, "-o", "jsonpath={.metadata.uid}").stdout

    # The lab makes it beforehand, so that it knows whether it was there: the operator does else.
    kubectl("delete", "lease", "-n", "schedune-system", "schedune-operator")
    workload = yaml.safe_load((EXAMPLES / "hello.yaml").read_text())
    workload["spec"]["disks"] = [
        {
            "name": "data", "source": {"empty": {"size": "16Mi"}}, "format": "Raw",
            "access": "Persistent", "retention": "Delete",
        }
    ]  # fmt: skip
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(workload))
    kubectl("create", "-f", str(EXAMPLES / "payments.yaml"))
    kubectl("wait", "--for=condition=Ready", "vmw/hello", "vmw/payments", "--timeout=120s")
    first, lost = uid("hello"), uid("payments")
    patch = '{"spec": {"restartToken": "again"}}'
    kubectl("patch", "vmw", "hello", "--type=merge", "-p", patch)
    until(lambda: uid("hello") not in ("", first), 90)
    kubectl("wait", "--for=condition=Ready", "vmw/hello", "--timeout=120s")
    kubectl("delete", "vmw", "hello", "--timeout=120s")
    until(lambda: not uid("hello"), 60)
    node = kubectl("get", "vmp", "payments", "-o", "jsonpath={.spec.nodeName}")
    kubectl("delete", "node", node)
    until(lambda: uid("payments") != lost, 60)
    # Its agent looks whose Lease it is before it says that its machine lives on.
    until(lambda: LOOKS_AT_LEASE in log.used(), 60)


def _grant_components(cluster: ControlPlane) -> None:
    """Apply what components give the operator, and wait until it has it."""
    for path in (WEBHOOK, PAGE):
        done = cluster.kubectl("apply", "--server-side", "-f", str(path))
        assert done.returncode == 0, done.stderr
    name = "validatingwebhookconfigurations/schedune-workloads"
    for verb, what in (
        ("patch", name),
        ("create", "tokenreviews.authentication.k8s.io"),
        ("create", "subjectaccessreviews.authorization.k8s.io"),
    ):
        asked = ("auth", "can-i", verb, what, f"--as={OPERATOR}")
        until(lambda asked=asked: cluster.kubectl(*asked).returncode == 0, 30)


async def _serve_components(cluster: ControlPlane, folder: Path) -> None:
    """Be an operator with the webhook's settings, and serve the page beyond loopback."""
    folder.mkdir()
    settings = {"host": "127.0.0.1", "port": 0, "upkeepSeconds": 0.3}
    async with (
        KubeClient(from_kubeconfig(cluster.admin_kubeconfig), field_manager="test") as admin,
        operating(cluster, admin, admission=settings, observability=None, fleetPage=None),
        served(cluster, folder) as page,
    ):

        async def is_registered() -> bool:
            held = await admin.get(VALIDATINGWEBHOOKS, "schedune-workloads")
            return bool(held["webhooks"][0]["clientConfig"].get("caBundle"))

        await freshness.until(is_registered, 60)
        # The operator itself as a reader: it may list all that the page shows.
        assert await page.status(await token_of(admin, None, MANAGER)) == 200


@pytest.mark.vm
def test_nothing_is_asked_for_in_vain(run: Log) -> None:
    assert run.refused() == []


@pytest.mark.vm
def test_every_right_that_is_granted_is_used(run: Log) -> None:
    used = run.used()
    unused = granted() - set(used) - NEEDS_NO_CALL
    assert not unused, f"granted and never used: {sorted(unused)}"
    assert {account for account, *_ in used} == set(ACCOUNTS.values())


@pytest.mark.vm
def test_every_right_that_is_used_is_granted_by_a_role_of_ours(run: Log) -> None:
    """And by no default role of the cluster, which an administrator may have narrowed."""
    assert set(run.used()) - granted() == set()
