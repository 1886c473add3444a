"""The component `webhook` as it is installed: the API server calls the operator's pods."""

from collections.abc import Iterator

import pytest
import yaml

from schedune_testing.realnode.product import Product, until, workload

pytestmark = pytest.mark.timeout(1200)
HUGE = {"resources": {"vcpus": 1, "memory": "64Gi"}}
CONFIGURATION = "validatingwebhookconfiguration"
RIGHTS = "schedune-operator-webhook"


@pytest.fixture(scope="module", autouse=True)
def webhook(product: Product) -> Iterator[None]:
    """Take the component in, and out again."""
    product.offer()
    product.install(components=["webhook"])
    until("the operators put their authorities in", lambda: bundle(product))
    yield
    product.install()
    product.node.do("delete", CONFIGURATION, "schedune-workloads")
    product.node.do("delete", "clusterrole,clusterrolebinding", RIGHTS)


def bundle(product: Product) -> str:
    (hook,) = product.node.get(CONFIGURATION, "schedune-workloads")["webhooks"]
    return str(hook["clientConfig"].get("caBundle") or "")


def answer(product: Product, name: str, **spec: object) -> tuple[int, str]:
    """Return what kubectl says of a workload that is only tried."""
    told = yaml.safe_dump(workload(name, **spec))
    done = product.node.kubectl("apply", "--dry-run=server", "-f", "-", stdin=told)
    return done.returncode, done.stderr


def test_a_vm_that_no_node_can_run_is_told_at_apply_by_the_operators_pods(product: Product) -> None:
    warning = "Warning: 0/1 nodes can run this now; nearest node-1 (memory short by "
    until("the webhook is called", lambda: warning in answer(product, "huge", **HUGE)[1])
    assert answer(product, "huge", **HUGE)[0] == 0
    until("nothing is said of one that can", lambda: answer(product, "fine") == (0, ""))
    assert not product.node.get("vmworkload", "huge")


def test_in_a_namespace_that_refuses_it_is_not_applied(product: Product) -> None:
    product.node.do("label", "namespace", "default", "schedune.io/admission=refuse")
    try:
        refused = 'admission webhook "workloads.schedune.io" denied the request: 0/1 nodes'
        until("it is refused", lambda: refused in answer(product, "huge", **HUGE)[1])
    finally:
        product.node.do("label", "namespace", "default", "schedune.io/admission-")
