"""Everything that may be wrong with a manifest: said with its place, and no traceback."""

from pathlib import Path

import pytest
import yaml

from schedune_testing.recordings import Files, Object, run, truth, workload

HEAD = "apiVersion: schedune.io/v1alpha1\nkind: VMWorkload\nmetadata:\n  name: bad\n"
SPEC = """\
spec:
  runtimeClass: VirtualMachine
  architecture: Any
  resources:
    vcpus: 2
    memory: 4Gi
  boot:
    kernel:
      artifact: kernel
"""
GOOD = HEAD + SPEC

MANIFESTS = {
    "malformed YAML": (f"{HEAD}spec: [", "bad.yaml:5:", "is no YAML"),
    "a template that was not rendered": (
        "apiVersion: schedune.io/v1alpha1\nkind: {{ .Values.kind }}-x\n",
        "bad.yaml:2:", "helm template .",
    ),
    "a key that occurs twice": (
        GOOD.replace("    vcpus: 2\n", "    vcpus: 2\n    vcpus: 3\n"),
        "bad.yaml:10:", "the key 'vcpus' occurs twice",
    ),
    "an unknown kind of ours": (
        "apiVersion: schedune.io/v1alpha1\nkind: VMWorkloads\n", "bad.yaml:1:", "no such kind",
    ),
    "an unknown version of ours": (
        "apiVersion: schedune.io/v2\nkind: VMWorkload\n", "bad.yaml:1:", "no such version",
    ),
    "our kind in another group": (
        "apiVersion: apps/v1\nkind: VMWorkload\n", "bad.yaml:1:", "is a kind of schedune.io",
    ),
    "no kind at all": ("replicas: 3\n", "bad.yaml:1:", "it has no apiVersion and kind"),
    "a list where an object is expected": ("- 1\n- 2\n", "bad.yaml:1:", "is no Kubernetes object"),
    "a text where an object is expected": ("nonsense\n", "bad.yaml:1:", "got nonsense"),
    "an unknown field": (
        GOOD.replace("    vcpus:", "    vcpu:"), "bad.yaml:9: spec.resources.vcpu:",
        "did you mean vcpus?",
    ),
    "Python's spelling of a field": (
        GOOD.replace("runtimeClass", "runtime_class"), "bad.yaml:6: spec.runtime_class:",
        "did you mean runtimeClass?",
    ),
    "Python's spelling of a field within": (
        GOOD + "  placement:\n    node_selector: {zone: b}\n",
        "bad.yaml:15: spec.placement.node_selector:", "did you mean nodeSelector?",
    ),
    "an unknown field that is empty": (
        GOOD + "  reediness:\n", "bad.yaml:14: spec.reediness:", "did you mean readiness?",
    ),
    "a null among others": (GOOD + "  disks: [null]\n", "bad.yaml:14: spec.disks.0:", "got None"),
    "a number in quotes": (
        GOOD.replace("vcpus: 2", 'vcpus: "2"'), "bad.yaml:9: spec.resources.vcpus:",
        "must be an integer, not a string (got '2'); remove the quotes",
    ),
    "a truth value for a number": (
        GOOD.replace("vcpus: 2", "vcpus: true"), "bad.yaml:9: spec.resources.vcpus:",
        "must be an integer, not a boolean (got True)",
    ),
    "a truth value for a quantity": (
        GOOD.replace("4Gi", "true"), "bad.yaml:10: spec.resources.memory:",
        "must be an integer or a string, not a boolean",
    ),
    "a number for a name": (
        GOOD.replace("artifact: kernel", "artifact: 6.1"),
        "bad.yaml:13: spec.boot.kernel.artifact:",
        "must be a string, not a number (got 6.1); put it in quotes",
    ),
    "two networks of one name": (
        GOOD + "  networks:\n  - {name: n, type: User}\n  - {type: User, name: n}\n",
        "bad.yaml:16: spec.networks.1.name:", "is also the name of spec.networks.0 (got 'n')",
    ),
    "an unknown field of the metadata": (
        GOOD.replace("  name: bad\n", "  name: bad\n  lables: {a: b}\n"),
        "bad.yaml:5: metadata.lables:", "did you mean labels?",
    ),
    "a missing field": (
        GOOD.replace("    memory: 4Gi\n", ""), "bad.yaml:8: spec.resources.memory:", "is missing",
    ),
    "no metadata": (
        GOOD.replace("metadata:\n  name: bad\n", ""), "bad.yaml:1: metadata:", "is missing",
    ),
    "a name that Kubernetes refuses": (
        GOOD.replace("name: bad", "name: Bad_One"), "bad.yaml:4: metadata.name:", "lower-case",
    ),
    "a name with an empty part": (
        GOOD.replace("name: bad", "name: a..b"), "bad.yaml:4: metadata.name:", "each part",
    ),
    "a namespace with a dot": (
        GOOD.replace("  name: bad\n", "  name: bad\n  namespace: a.b\n"),
        "bad.yaml:5: metadata.namespace:", "letters, digits and '-', at most 63",
    ),
    "a label's key with a space": (
        GOOD.replace("  name: bad\n", "  name: bad\n  labels:\n    a b: x\n"),
        "bad.yaml:6: metadata.labels.a b:", "is no key",
    ),
    "an annotation's key without a name": (
        GOOD.replace("  name: bad\n", "  name: bad\n  annotations:\n    acme.io/: x\n"),
        "bad.yaml:6: metadata.annotations.acme.io/:", "is no key",
    ),
    "a label's value with a space": (
        GOOD.replace("  name: bad\n", "  name: bad\n  labels:\n    a: x y\n"),
        "bad.yaml:6: metadata.labels.a:", "got 'x y'",
    ),
    "a label's value that is too long": (
        GOOD.replace("  name: bad\n", f"  name: bad\n  labels:\n    a: {'x' * 64}\n"),
        "bad.yaml:6: metadata.labels.a:", "at most 63",
    ),
    "a name that is too long": (
        GOOD.replace("name: bad", f"name: {'x' * 64}"), "bad.yaml:1:", "at most 63 characters",
    ),
    "a generated name": (
        GOOD.replace("name: bad", "generateName: bad-"), "bad.yaml:4: metadata.generateName:",
        "give metadata.name",
    ),
    "a wrong type": (
        GOOD.replace("vcpus: 2", "vcpus: two"), "bad.yaml:9: spec.resources.vcpus:", "got 'two'",
    ),
    "a word that YAML takes for a truth value": (
        GOOD.replace("architecture: Any", "architecture: no"), "bad.yaml:7: spec.architecture:",
        "got False",
    ),
    "a number that is too large": (
        GOOD.replace("vcpus: 2", f"vcpus: {10**30}"), "bad.yaml:9: spec.resources.vcpus:", "1024",
    ),
    "a number that nobody can read": (
        GOOD.replace("vcpus: 2", f"vcpus: {'9' * 5000}"), "bad.yaml:9:", "cannot be read",
    ),
    "a quantity that overflows": (
        GOOD.replace("4Gi", "9999999Ei"), "bad.yaml:10: spec.resources.memory:", "must not exceed",
    ),
    "a quantity at the edge of 63 bits": (
        GOOD.replace("4Gi", str(2**63 - 1)), "bad.yaml:10: spec.resources.memory:",
        "must not exceed 8Pi",
    ),
    "a quantity that is none": (
        GOOD.replace("4Gi", "4 gigs"), "bad.yaml:10: spec.resources.memory:", "got '4 gigs'",
    ),
    "memory without a unit": (
        GOOD.replace("4Gi", "4"), "bad.yaml:10: spec.resources.memory:", "leave out a unit",
    ),
    "neither kernel nor firmware": (
        GOOD.replace("    kernel:\n      artifact: kernel\n", "    commandLine: x\n"),
        "bad.yaml:11: spec.boot:", "exactly one of `kernel`, `firmware`",
    ),
    "a tag of a program": (
        GOOD.replace("vcpus: 2", "vcpus: !!python/object:os.system 2"), "bad.yaml:9:",
        "a tag of its own",
    ),
    "a key that is no text": (GOOD + "  1: x\n", "bad.yaml:14:", "a key must be text"),
    "control characters": (GOOD.replace("Any", "A\x07ny"), "bad.yaml", "is no YAML"),
    "a document that is nested too deeply": ("a: " + "[" * 500 + "]" * 500, "bad.yaml:1:", "deep"),
    "an alias that holds itself": ("a: &a [*a]\n", "bad.yaml:1:", "holds itself"),
    "aliases that explode": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
        "bad.yaml:", "aliases written out",
    ),
    "malformed JSON": ('{"apiVersion": "v1",\n "kind": }', "bad.yaml:2:", "is no JSON"),
    "a key of JSON that occurs twice": (
        '{"kind": "A", "kind": "B"}', "bad.yaml:1:", "occurs twice",
    ),
    "nothing": ("\n# nothing\n", "bad.yaml", ""),
    "an empty file": ("  \n", "bad.yaml:", "is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", [name for name in MANIFESTS if name != "nothing"])
def test_a_bad_manifest_is_said_with_its_place_and_the_good_one_is_judged(
    case: str, files: Files
) -> None:
    text, place, message = MANIFESTS[case]
    files.text("bad.yaml", text)
    files.write("good.yaml", workload("good"))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "bad.yaml", "-f", "good.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 2, told.output
    assert place in told.stderr
    assert message in told.stderr
    assert "default/good" in told.stdout
    assert "a is chosen" in told.stdout
    assert "Traceback" not in told.output


def test_what_is_wrong_with_a_field_is_said_once(files: Files) -> None:
    files.text("bad.yaml", GOOD.replace("vcpus: 2", "vcpus: two"))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "bad.yaml", "--truth", "fleet.yaml")
    assert told.stderr.count("spec.resources.vcpus") == 1


def test_fields_that_helm_left_empty_are_as_unset(files: Files) -> None:
    """The API server drops them: none of our fields may hold null."""
    empty = "  disks: null\n  placement:\n  readiness: ~\n  backend: {preference: null}\n"
    named = GOOD.replace("  name: bad\n", "  name: bad\n  labels:\n  annotations: null\n")
    files.text("vm.yaml", named + empty)
    files.write("fleet.yaml", truth("a", spec={"capacity": None}))
    told = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml")
    assert (told.exit_code, told.stderr) == (0, "")
    assert "a is chosen" in told.stdout


def test_names_that_kubernetes_takes_are_taken(files: Files) -> None:
    good = workload("a.b-c.d", namespace="n-1")
    good["metadata"]["labels"] = {"app.kubernetes.io/Name_1": "v1.2_x", "empty": ""}
    good["metadata"]["annotations"] = {"Acme.io/Note": "any text, at all"}
    files.write("vm.yaml", good)
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "vm.yaml", "--truth", "fleet.yaml")
    assert (told.exit_code, told.stderr) == (0, "")


def test_a_file_of_comments_is_no_error_beside_others(files: Files) -> None:
    files.text("bad.yaml", MANIFESTS["nothing"][0])
    files.write("good.yaml", workload("good"))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "bad.yaml", "-f", "good.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 0


def test_a_broken_document_spoils_no_other_of_its_file(files: Files) -> None:
    good = yaml.safe_dump(workload("good"))
    files.text(
        "all.yaml",
        f"---\n{GOOD.replace('2', '[')}---\n{good}---\nfoo: [\n---\n{good.replace('good', 'last')}",
    )
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "all.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert told.stderr.count("error: ") == 2
    assert "default/good" in told.stdout
    assert "default/last" in told.stdout


def test_foreign_objects_are_passed_over_in_silence(files: Files) -> None:
    foreign = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}},
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"},
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"},
        {"apiVersion": "example.com/v1", "kind": "MachineList", "items": [{"a": 1}]},
    ]
    files.write("all/a.yaml", *foreign, workload())
    files.text("all/kustomization.yaml", "resources: [a.yaml]\n")
    files.text("all/values.prod.yaml", "replicas: 3\n")
    files.text("all/Chart.yaml", "apiVersion: v2\nname: x\n")
    files.text("all/readme.md", "not YAML: [")
    files.text("all/.hidden/x.yaml", "not YAML: [")
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "all", "--truth", "fleet.yaml")
    assert (told.exit_code, told.stderr) == (0, "")


def test_lists_are_unwrapped_whoever_wrote_them(files: Files) -> None:
    listed: Object = {"apiVersion": "v1", "kind": "List", "items": [workload("one")]}
    typed = {
        "apiVersion": "schedune.io/v1alpha1",
        "kind": "VMWorkloadList",
        "items": [workload("two")],
    }
    files.write("all.yaml", listed, typed)
    files.write("fleet.yaml", {"apiVersion": "v1", "kind": "List", "items": [truth("a")]})
    told = run("explain", "-f", "all.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 0
    assert "2 of 2" in told.stdout


def test_the_place_of_an_object_in_a_list_is_its_own(files: Files) -> None:
    bad = workload("bad", resources={"vcpus": 1, "memory": "much"})
    files.write("all.yaml", {"apiVersion": "v1", "kind": "List", "items": [workload("one"), bad]})
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "all.yaml", "--truth", "fleet.yaml")
    lines = Path("all.yaml").read_text().splitlines()
    assert (
        f"all.yaml:{1 + next(n for n, line in enumerate(lines) if 'much' in line)}:" in told.stderr
    )


def test_two_workloads_of_one_name_are_one_too_many(files: Files) -> None:
    files.write("one.yaml", workload())
    bare = workload()
    del bare["metadata"]["namespace"]
    files.write("two.yaml", bare)
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "two.yaml", "-f", "one.yaml", "--truth", "fleet.yaml")
    assert told.exit_code == 2
    assert "two.yaml:1: metadata.name: VMWorkload vm is also in one.yaml:1" in told.stderr
