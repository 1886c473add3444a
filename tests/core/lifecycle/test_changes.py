"""What counts as a change of a VM that is placed, and what only looks like one."""

from typing import Any

import pytest

from schedune.api.policy import PlacementPolicy
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmplacement import VMPlacement
from schedune.codes import intent as codes
from schedune.codes.row import Reason
from schedune.decision.placing import Placer, Placing
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune.lifecycle.changes import changed_fields, required_digest
from schedune_operator.actions import placement_body
from schedune_testing.nodes import NOW, facts, node, workload

Object = dict[str, Any]
SPREAD = {"topologyKey": "zone", "maxSkew": 1, "workloadSelector": {"matchLabels": {"app": "a"}}}
AWAY = {"topologyKey": "zone", "workloadSelector": {"matchLabels": {"app": "a"}}}
IN_ZONES = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
IN_ZONES_TOO = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b", "a"]}]}


def disk(size: str) -> Object:
    return {
        "name": "d",
        "source": {"empty": {"size": size}},
        "format": "Raw",
        "access": "Ephemeral",
    }


def placed(policy: SchedulingPolicy = DEFAULT_POLICY, /, **spec: Any) -> VMPlacement:
    """Return the placement that a workload gets on a node where nothing stands against it."""
    wanted = read_workload(workload(**spec))
    assert not isinstance(wanted, tuple), wanted
    asked = parse_intent(wanted)
    assert isinstance(asked, Intent), asked
    capacity = {"vcpus": 8, "memory": "16Gi", "disk": "1Ti", "basis": "Declared"}
    alone = Fleet.of([node("n", facts("n", capacity=capacity), labels={"zone": "a"})])
    placing = Placer(alone, policy).place(asked, NOW)
    assert isinstance(placing, Placing), placing
    body = placement_body(wanted, placing, policy, attempt=1, epoch=1)
    body["metadata"]["uid"] = "p"
    return VMPlacement.model_validate(body)


def changes(held: VMPlacement, /, *, generation: int = 2, **spec: Any) -> list[str]:
    """Name what changed once the workload was edited to this."""
    raw = workload(**spec)
    raw["metadata"]["generation"] = generation
    wanted = read_workload(raw)
    assert not isinstance(wanted, tuple), wanted
    return changed_fields(held, wanted, parse_intent(wanted))


@pytest.mark.parametrize(
    "policy",
    [
        {"nodeSelector": {"zone": "b"}},
        {"nodeAffinity": {"required": {"nodeSelectorTerms": [IN_ZONES]}}},
        {"tolerations": [{"key": "t", "operator": "Exists"}]},
        {"compatibilityClasses": ["c"]},
        {"requiredCapabilities": ["hardware_tpm"]},
        {"forbiddenConstraints": ["REJECT_MISSING_KVM"]},
        {"antiAffinity": [AWAY]},
        {"topologySpread": [{**SPREAD, "whenUnsatisfiable": "DoNotSchedule"}]},
    ],
    ids=lambda policy: next(iter(policy)),
)
def test_another_demand_on_the_node_is_a_change(policy: Object) -> None:
    assert changes(placed(), placement=policy) == ["placement"]


def test_a_demand_that_is_taken_away_is_a_change() -> None:
    placement = placed(placement={"nodeSelector": {"zone": "a"}})
    assert changes(placement, placement={"nodeSelector": {"zone": "a"}}) == []
    assert changes(placement) == ["placement"]


@pytest.mark.parametrize(
    "policy",
    [
        {"preferredCapabilities": ["hardware_tpm"]},
        {"nodeAffinity": {"preferred": [{"weight": 5, "preference": IN_ZONES}]}},
        {"tolerations": [{"key": "t", "operator": "Exists", "effect": "PreferNoSchedule"}]},
        {"topologySpread": [{**SPREAD, "whenUnsatisfiable": "ScheduleAnyway"}]},
        {"maxTruthAgeSeconds": 60},
    ],
    ids=lambda policy: next(iter(policy)),
)
def test_a_wish_and_the_age_of_a_proof_are_no_change(policy: Object) -> None:
    assert changes(placed(), placement=policy) == []


def test_neither_order_nor_what_holds_anyway_is_a_change() -> None:
    one, other = {"key": "a", "value": "1"}, {"key": "b", "value": "2"}
    affinity = {"required": {"nodeSelectorTerms": [IN_ZONES]}}
    placement = placed(placement={"tolerations": [one, other], "nodeAffinity": affinity})
    anew = {"required": {"nodeSelectorTerms": [IN_ZONES_TOO]}}
    tolerations = [other, {**one, "operator": "Equal"}, other]
    assert changes(placement, placement={"tolerations": tolerations, "nodeAffinity": anew}) == []


@pytest.mark.parametrize(("architecture", "names"), [("amd64", []), ("arm64", ["architecture"])])
def test_an_architecture_other_than_that_of_the_node_is_a_change(
    architecture: str, names: list[str]
) -> None:
    assert changes(placed(), architecture=architecture) == names
    assert changes(placed(architecture="amd64"), architecture="Any") == []


@pytest.mark.parametrize(
    ("preference", "names"),
    [
        (["QEMU", "CloudHypervisor"], []),
        (["QEMU"], []),
        (["CloudHypervisor"], ["backend.preference"]),
    ],
)
def test_only_a_preference_without_the_backend_that_runs_it_is_a_change(
    preference: list[str], names: list[str]
) -> None:
    assert changes(placed(), backend={"preference": preference}) == names


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ({"name": "QEMU", "minimum": "7.0"}, []),
        ({"name": "QEMU", "minimum": "7.0.0"}, []),
        ({"name": "QEMU", "minimum": "7.1"}, ["backend.versions"]),
        ({"name": "QEMU", "exact": "7.0"}, ["backend.versions"]),
        ({"name": "CloudHypervisor", "minimum": "99.0"}, ["backend.versions"]),
    ],
)
def test_another_demand_on_the_version_of_its_backend_is_a_change(
    version: Object, names: list[str]
) -> None:
    """The last one says nothing of QEMU any more, on which the VM runs."""
    placement = placed(backend={"versions": [{"name": "QEMU", "minimum": "7.0"}]})
    assert changes(placement, backend={"versions": [version]}) == names


def test_a_floor_of_the_policy_is_no_change_of_the_workload() -> None:
    floor = [{"name": "QEMU", "minimum": "7.0"}]
    policy = SchedulingPolicy.model_validate({"versionFloors": floor})
    assert changes(placed(policy)) == []


@pytest.mark.parametrize(
    ("spelt", "names"), [("4096Mi", []), ("4294967296", []), ("5Gi", ["memory"])]
)
def test_an_amount_is_compared_by_what_it_is(spelt: str, names: list[str]) -> None:
    assert changes(placed(), resources={"vcpus": 2, "memory": spelt}) == names


@pytest.mark.parametrize(("spelt", "names"), [("2048Mi", []), ("2049Mi", ["disks"])])
def test_so_is_the_size_of_a_new_disk(spelt: str, names: list[str]) -> None:
    assert changes(placed(disks=[disk("2Gi")]), disks=[disk(spelt)]) == names


def test_a_launch_that_goes_further_is_a_change() -> None:
    assert changes(placed(launchMode="DryRun"), launchMode="Execute") == ["launchMode"]


def test_all_that_changed_is_named() -> None:
    named = changes(
        placed(),
        architecture="arm64",
        resources={"vcpus": 3, "memory": "5Gi"},
        placement={"nodeSelector": {"zone": "b"}},
    )
    assert named == ["memory", "vcpus", "architecture", "placement"]


def test_of_a_refused_spec_what_is_refused_is_named() -> None:
    assert changes(placed(), resources={"vcpus": 2, "memory": "1Mi"}) == ["spec.resources.memory"]


def test_what_nobody_edited_has_not_changed_whatever_a_newer_operator_makes_of_it() -> None:
    """Its defaults may differ, and it may refuse what another one took."""
    edited: Object = {"resources": {"vcpus": 3, "memory": "5Gi"}, "architecture": "arm64"}
    assert changes(placed(), generation=1, **edited) == []
    wanted = read_workload(workload())
    assert not isinstance(wanted, tuple)
    refusal = (Reason(codes.INVALID_FIELD, "a", "b", "spec.c"),)
    assert changed_fields(placed(), wanted, refusal) == []


def test_a_placement_of_an_operator_that_kept_no_digest_is_judged_by_its_launch_alone() -> None:
    held = placed()
    evidence = held.spec.evidence.model_copy(update={"placement_digest": None})
    older = held.model_copy(update={"spec": held.spec.model_copy(update={"evidence": evidence})})
    asked: Object = {
        "architecture": "arm64",
        "backend": {"preference": ["CloudHypervisor"]},
        "placement": {"nodeSelector": {"zone": "b"}},
    }
    assert changes(older, **asked) == []
    assert changes(older, **asked, resources={"vcpus": 3, "memory": "4Gi"}) == ["vcpus"]


def test_the_digest_of_a_demand_stays_what_it_is() -> None:
    """Every VM that was placed by it would be told as changed otherwise."""
    nothing = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert required_digest(PlacementPolicy()) == nothing
    policy = PlacementPolicy.model_validate({
        "nodeSelector": {"zone": "a"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [IN_ZONES]}},
        "tolerations": [{"key": "t", "value": "v"}],
        "antiAffinity": [AWAY],
        "topologySpread": [{**SPREAD, "whenUnsatisfiable": "DoNotSchedule"}],
    })  # fmt: skip
    demanding = "sha256:abfc4fe8e824115fa0f96c8a527be4db495412b96ce377421d3ab42f241807fa"
    assert required_digest(policy) == demanding
