"""Every backend in the lab by the commands of the README: prepared where it is, why not elsewhere.

The node that has Cloud Hypervisor and Firecracker is a recorded one. Its agent takes the
ordinary path, and what it prepares is all that it does.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schedune.launch.capabilities import KVM
from schedune_lab import lab as labs
from schedune_lab.lab import Lab
from schedune_testing.waiting import until

pytestmark = pytest.mark.vm
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MICRO, HERE = "micro-01", "this-machine"
BINARIES = {
    "cloud-hypervisor": ("cloud_hypervisor_binary_present", "CH_BINARY"),
    "firecracker": ("firecracker_binary_present", "FC_BINARY"),
}
"""By the name of the example: the capability that it takes, and the end of the code without."""
Object = dict[str, Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bring a lab up, and ask it for every example at once."""
    folder = tmp_path_factory.mktemp("lab") / "state"
    found = labs.up(folder)
    for name in BINARIES:
        kubectl(found, "apply", "-f", str(EXAMPLES / f"{name}.yaml"))
    yield found
    labs.down(folder)


def kubectl(
    lab: Lab, *arguments: str, stdin: str | None = None, statuses: tuple[int, ...] = (0,)
) -> str:
    """Run kubectl, with Schedune's plugin, as the lab's user."""
    own = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{own}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(lab.user_kubeconfig),
    }
    argv = [str(lab.kubectl), *arguments]
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode in statuses, done.stderr
    return done.stdout


def get(lab: Lab, kind: str, name: str) -> Object:
    return dict(json.loads(kubectl(lab, "get", kind, name, "-o", "json")))


def prepared(lab: Lab, name: str) -> Object:
    """Return the placement of an example, once its launch is prepared."""
    kubectl(lab, "wait", "--for=condition=Ready", f"vmw/{name}", "--timeout=60s")
    assert get(lab, "vmw", name)["status"]["reason"] == "DryRunPrepared"
    return get(lab, "vmp", name)


def body(request: str) -> Object:
    return dict(json.loads(request[request.index("{") :]))


def answers(lab: Lab, node: str) -> dict[str, str]:
    capabilities = get(lab, "ntruth", node)["status"]["capabilities"]
    return {one["name"]: one["state"] for one in capabilities}


@pytest.fixture
def lacking(lab: Lab, name: str) -> bool:
    """Whether this machine cannot run the example."""
    said = answers(lab, HERE)
    return {said[KVM], said[BINARIES[name][0]]} != {"Supported"}


def test_cloud_hypervisor_is_given_one_vm_and_boots_it(lab: Lab) -> None:
    found = prepared(lab, "cloud-hypervisor")
    launch = found["status"]["prepared"]
    assert found["spec"]["backend"] == "CloudHypervisor"
    assert "--api-socket" in launch["argv"]
    assert Path(launch["binary"]).name == "cloud-hypervisor"
    asked = body(next(one for one in launch["requests"] if "vm.create" in one))
    assert (asked["cpus"]["boot_vcpus"], asked["memory"]["size"]) == (2, 512 * 2**20)
    assert Path(asked["payload"]["kernel"]).name == "lab-kernel"
    assert "vm.boot" in launch["requests"][-1]


def test_firecracker_is_told_its_vm_part_by_part_and_starts_it(lab: Lab) -> None:
    found = prepared(lab, "firecracker")
    launch = found["status"]["prepared"]
    assert found["spec"]["backend"] == "Firecracker"
    assert "--api-sock" in launch["argv"]
    assert Path(launch["binary"]).name == "firecracker"
    told = {one.split()[1]: body(one) for one in launch["requests"]}
    assert told["/machine-config"]["vcpu_count"] == 2
    assert told["/machine-config"]["mem_size_mib"] == 512
    assert Path(told["/boot-source"]["kernel_image_path"]).name == "lab-bare-kernel"
    assert "InstanceStart" in launch["requests"][-1]


@pytest.mark.parametrize("name", BINARIES)
def test_describe_shows_every_argument_and_request_and_where_it_was_prepared(
    lab: Lab, name: str
) -> None:
    placement = prepared(lab, name)
    launch = placement["status"]["prepared"]
    described = kubectl(lab, "describe", "vmp", name)
    for word in (*launch["argv"], *launch["requests"]):
        assert word in described
    counted = f"Prepared: {len(launch['argv'])} arguments and {len(launch['requests'])} requests"
    told = kubectl(lab, "describe", "vmw", name)
    assert counted in told
    assert f"prepared on {placement['spec']['nodeName']}; nothing was run" in told


@pytest.mark.parametrize("name", BINARIES)
def test_a_machine_that_lacks_it_says_exactly_what_it_lacks(
    lab: Lab, name: str, lacking: bool
) -> None:
    placement = prepared(lab, name)
    told = kubectl(
        lab, "schedune", "why-not", f"vmw/{name}", HERE, "-n", "default", statuses=(0, 1)
    )
    capability, code = BINARIES[name]
    said = answers(lab, HERE)
    assert ("REJECT_KVM" in told or "REJECT_MISSING_KVM" in told) == (said[KVM] != "Supported")
    assert (f"ERR_LAUNCH_MISSING_CAPABILITY_{code}" in told) == (said[capability] != "Supported")
    assert "REJECT_ARTIFACT" not in told
    if lacking:
        assert placement["spec"]["nodeName"] == MICRO
        assert f"{HERE} is rejected; {MICRO} is chosen" in told


def test_the_node_that_has_both_is_told_to_be_one_that_runs_nothing(lab: Lab) -> None:
    identity = get(lab, "ntruth", MICRO)["status"]["identity"]
    assert identity["execution"] == "PreparesOnly"
    assert identity["machineID"] == f"recorded-{MICRO}"
    assert "recorded" in kubectl(lab, "get", "node", MICRO, "--show-labels")


@pytest.mark.parametrize("name", BINARIES)
def test_without_dry_run_the_recorded_node_is_refused_and_nothing_pretends_to_run(
    lab: Lab, name: str, lacking: bool
) -> None:
    if not lacking:
        pytest.skip("this machine would run it")
    manifest = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    manifest["metadata"]["name"] = f"{name}-run"
    del manifest["spec"]["launchMode"]
    kubectl(lab, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    until(lambda: get(lab, "vmw", f"{name}-run").get("status", {}).get("evaluation"), 60)
    told = kubectl(
        lab, "schedune", "why-not", f"vmw/{name}-run", MICRO, "-n", "default", statuses=(0, 1)
    )
    assert "REJECT_NODE_LAUNCHES_NOTHING" in told
    kubectl(lab, "delete", "vmw", f"{name}-run", "--timeout=60s")
