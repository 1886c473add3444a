"""LaunchPlanRequest -> VMWorkload: an intent and a template become one object."""

from collections.abc import Mapping
from typing import Final

from schedune.api.vmworkload import LaunchMode
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.intent import placement_of
from schedune_cli.importing.launch_spec import machine_of
from schedune_cli.importing.names import is_node_name
from schedune_cli.importing.notes import Imported, Notes, Refused
from schedune_cli.importing.words import PLAN_MODES, WANTED_ARCHITECTURES
from schedune_cli.importing.workload import (
    ImportPolicy,
    finish_workload,
    metadata_of,
    read_version,
)

_SHARED: Final = ("workload_id", "tenant_id", "runtime_class")
_PREFERENCE: Final = ("runtime_backend_preference", "allow_backend_fallback")


def import_plan(raw: Mapping[str, object], policy: ImportPolicy) -> Imported | Refused:
    """Return the workload of a plan; where both parts speak and differ, it is refused."""
    notes = Notes()
    request = Fields(raw, notes)
    intent, template = request.part("workload_intent"), request.part("launch_template")
    for part in (intent, template):
        read_version(part)
    _refuse_contradictions(intent, template)
    metadata = metadata_of(intent)
    machine = machine_of(template, policy, preferred=_preferred(intent, template))
    placement = placement_of(intent, machine.required_capabilities)
    mode = request.choice("mode", PLAN_MODES, LaunchMode.VALIDATE)
    pin = _pin(request, template)
    spec = {**machine.spec, "placement": {**placement, **pin}, "launchMode": mode}
    _drop_what_is_never_read(intent, template)
    for part in (intent, template, request):
        part.close()
    return finish_workload(metadata, spec, notes)


def _refuse_contradictions(intent: Fields, template: Fields) -> None:
    """Both parts describe one VM: what both say must be the same."""
    for name in _SHARED:
        if intent.read(name) != template.read(name):
            template.refuse(name, f"differs from {intent.path_of(name)}: make them the same")
    wanted = intent.required_choice("required_architecture", WANTED_ARCHITECTURES)
    if intent.read("required_architecture") == "any":
        intent.change("required_architecture", "the template says for which one its image is")
    elif template.read("architecture") != intent.read("required_architecture"):
        template.refuse("architecture", f"the intent needs {wanted}: make them the same")


def _preferred(intent: Fields, template: Fields) -> Fields:
    """Let the template name the backends, as in the original, or else the intent."""
    if template.has(_PREFERENCE[0]) or not intent.has(_PREFERENCE[0]):
        for name in _PREFERENCE:
            intent.drop(name, "the template says it, as in the original")
        return template
    template.drop(_PREFERENCE[1], "it belongs to a preference, and the intent names that")
    intent.change(_PREFERENCE[0], "the original never reads it; here it counts")
    return intent


def _pin(request: Fields, template: Fields) -> dict[str, object]:
    """Read the node that the plan insists on: a demand here, a check there."""
    targets = {
        part.path_of(name): (part, name, part.text(name))
        for part, name in ((request, "target_node_id"), (template, "node_id"))
    }
    asked = {text for _, _, text in targets.values() if text}
    if not asked:
        return {}
    for part, name, text in targets.values():
        if text and not is_node_name(text):
            part.refuse(name, "is no name of a Node")
        elif text and len(asked) > 1:
            part.refuse(name, "the plan names two nodes: name one")
        elif text:
            part.change(name, "a demand on the label kubernetes.io/hostname")
    return {"nodeSelector": {"kubernetes.io/hostname": min(asked)}}


def _drop_what_is_never_read(intent: Fields, template: Fields) -> None:
    for name in ("kernel_image_path", "rootfs_path"):
        intent.drop(name, "the original never reads it in an intent: write it into the template")
    template.drop("launch_mode", "the plan's mode counts, as in the original")
    if not intent.flag("requires_kvm"):
        intent.change("requires_kvm", "KVM all the same: the original launches by nothing else")
