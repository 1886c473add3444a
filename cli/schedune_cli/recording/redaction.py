"""A snapshot that can be shown to others: of each kind only what a decision needs.

Parts are listed that stay, not parts that go: what a later version adds is left out until
somebody has thought about it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from schedune.api.policy import PlacementPolicy
from schedune.launch.seed import objection_to_keys
from schedune.lifecycle.changes import required_digest
from schedune_cli.reading.objects import Raw
from schedune_cli.recording.kubernetes import DIGEST_ANNOTATION, quota_annotations
from schedune_cli.recording.pseudonyms import REDACTED, Pseudonyms
from schedune_cli.recording.snapshot import lean_namespace
from schedune_kube.lean import stamps_of

_HEAD: Final = ("apiVersion", "kind")


def concerned(objects: Sequence[Raw]) -> list[Raw]:
    """Leave out Namespaces without a VM, a disk or a limit: their names are nobody's business."""
    used = {name for raw in objects for name in _namespaces_in(raw)}
    return [raw for raw in objects if raw["kind"] != "Namespace" or raw["metadata"]["name"] in used]


def _namespaces_in(raw: Raw) -> list[str]:
    """Return the namespaces that an object is about."""
    metadata = raw["metadata"]
    if raw["kind"] == "Namespace":
        return [metadata["name"]] if quota_annotations(raw) else []
    disks = (raw.get("status") or {}).get("persistentDisks") or ()
    return [metadata.get("namespace", ""), *(one.get("namespace", "") for one in disks)]


def redact(raw: Raw, names: Pseudonyms) -> Raw:
    """Return one object of a snapshot, redacted."""
    return _KINDS[raw["kind"]](names, raw)


def _metadata(names: Pseudonyms, raw: Raw, *kept: str, is_node: bool = False) -> Raw:
    given = raw["metadata"]
    found = {key: given[key] for key in ("name", *kept) if key in given}
    if is_node:
        found["name"] = names.of(given["name"])
    if given.get("labels"):
        found["labels"] = names.labels(given["labels"])
    stamps = stamps_of(raw)
    return {**found, "managedFields": stamps} if stamps else found


def _picked(value: Any, *names: str) -> Raw:
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else {}


def _object(raw: Raw, metadata: Raw, **parts: Raw) -> Raw:
    head = {name: raw[name] for name in _HEAD}
    return {**head, "metadata": metadata, **{name: part for name, part in parts.items() if part}}


def _namespace(names: Pseudonyms, raw: Raw) -> Raw:
    """Hide its UID: that of kube-system is the key of all pseudonyms."""
    found = lean_namespace(raw)
    return {**found, "metadata": _hidden(names, found["metadata"], "uid")}


def _hidden(names: Pseudonyms, part: Raw, field: str) -> Raw:
    return {**part, field: names.of(part[field])} if part.get(field) else part


def _node(names: Pseudonyms, raw: Raw) -> Raw:
    spec = _picked(raw.get("spec"), "unschedulable", "taints")
    if "taints" in spec:
        spec["taints"] = [
            _picked(one, "key", "value", "effect") for one in names.selectors(spec["taints"])
        ]
    conditions = (raw.get("status") or {}).get("conditions") or []
    ready = [_picked(one, "type", "status") for one in conditions if one.get("type") == "Ready"]
    metadata = _metadata(names, raw, "uid", is_node=True)
    return _object(raw, metadata, spec=spec, status={"conditions": ready})


def _lease(names: Pseudonyms, raw: Raw) -> Raw:
    metadata = _metadata(names, raw, "namespace", "uid", is_node=True)
    digest = (raw["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION)
    if digest:
        metadata["annotations"] = {DIGEST_ANNOTATION: digest}
    return _object(
        raw, metadata, spec=_picked(raw.get("spec"), "leaseDurationSeconds", "renewTime")
    )


def _truth(names: Pseudonyms, raw: Raw) -> Raw:
    given = raw.get("spec") or {}
    spec = _picked(given, "scheduling", "capacity", "compatibilityClass")
    if isinstance(spec.get("compatibilityClass"), dict):
        spec["compatibilityClass"] = {**spec["compatibilityClass"], "reason": REDACTED}
    if given.get("orphanActions"):
        spec["orphanActions"] = [_picked(one, *_ORDER) for one in given["orphanActions"]]
    hidden = ("why", "conditions")
    kept = {name: one for name, one in (raw.get("status") or {}).items() if name not in hidden}
    for part, fields in _ORPHANED.items():
        if part in kept:
            kept[part] = [_picked(one, *fields) for one in kept[part]]
    status: Raw = names.scrub(kept)
    if isinstance(status.get("os"), dict) and status["os"].get("hostname"):
        status["os"]["hostname"] = names.of(status["os"]["hostname"])
    if isinstance(status.get("identity"), dict) and status["identity"].get("machineID"):
        status["identity"]["machineID"] = names.of(status["identity"]["machineID"])
    if isinstance(status.get("persistentDisks"), list):
        disks = [_hidden(names, one, "namespaceUID") for one in status["persistentDisks"]]
        status["persistentDisks"] = disks
    metadata = _metadata(names, raw, "uid", "generation", is_node=True)
    return _object(raw, metadata, spec=spec, status=status)


_PROCESS: Final = ("pid", "startTime", "bootID")
_ORDER: Final = (*_PROCESS, "action", "placementUID")
_ORPHANED: Final = {
    "orphans": (*_PROCESS, "class", "code", "backend", "placementUID", "claim", "message"),
    "orphanOrders": (*_PROCESS, "action", "code", "message"),
}
"""What nobody accounts for runs on, whoever is asked: nothing else says that it is there."""


def _workload(names: Pseudonyms, raw: Raw) -> Raw:
    spec = dict(raw.get("spec") or {})
    if "placement" in spec:
        spec["placement"] = names.selectors(spec["placement"])
    names.learn(_digest(raw.get("spec")), _digest(spec))
    if isinstance(spec.get("guest"), dict):
        spec["guest"] = _guest(names, spec["guest"])
    if isinstance(spec.get("boot"), dict):
        spec["boot"] = _without_words(names, spec["boot"])
    if isinstance(spec.get("networks"), list):
        spec["networks"] = _without_cards(names, spec["networks"])
    status = _picked(raw.get("status"), "observedGeneration", "placementUID", "reason", "nodeName")
    held = raw.get("status") or {}
    if "nodeName" in status:
        status["nodeName"] = names.of(status["nodeName"])
    for part, fields in _REMEMBERED.items():
        if held.get(part):
            status[part] = [
                {**_picked(one, *fields), "nodeName": names.of(one["nodeName"])}
                for one in held[part]
            ]
    metadata = _metadata(names, raw, *_OF_OURS)
    return _object(raw, metadata, spec=spec, status=status)


def _digest(spec: Raw | None) -> str:
    """Return the digest of what a workload demands of its node; "": that cannot be read."""
    try:
        return required_digest(PlacementPolicy.model_validate((spec or {}).get("placement") or {}))
    except ValidationError:
        return ""


_OF_OURS: Final = ("namespace", "uid", "generation", "deletionTimestamp")
_REMEMBERED: Final = {
    "history": ("attempt", "backend", "code", "endTime", "generation", "placementUID", "startTime",
                "truthDigest"),
    "persistentDisks": ("disk", "nodeUID"),
}  # fmt: skip


def _guest(names: Pseudonyms, guest: Raw) -> Raw:
    """Say that something was given, and what is another than before; not what it is."""
    found: Raw = {}
    if guest.get("hostname"):
        found["hostname"] = names.of(guest["hostname"])
    if isinstance(guest.get("userData"), dict):
        found["userData"] = _source(names, guest["userData"], names.of)
    if isinstance(guest.get("sshAuthorizedKeys"), dict):
        found["sshAuthorizedKeys"] = _source(
            names, guest["sshAuthorizedKeys"], lambda keys: [_key(names, one) for one in keys]
        )
    return found


def _source(names: Pseudonyms, given: Raw, hide: Callable[[Any], Any]) -> Raw:
    """Keep where it comes from: an edit that takes it from a Secret is one."""
    found: Raw = {"inline": hide(given["inline"])} if given.get("inline") is not None else {}
    if given.get("secretRef"):
        secret = _picked(given["secretRef"], "name", "key")
        found["secretRef"] = {field: names.of(text) for field, text in secret.items()}
    return found


def _key(names: Pseudonyms, key: str) -> str:
    """Hide an SSH key; one that is refused stays one that is."""
    return names.of(key) if objection_to_keys([key]) is None else _NO_KEY


_NO_KEY: Final = "\n"


def _without_words(names: Pseudonyms, boot: Raw) -> Raw:
    """A command line of a kernel may hold anything."""
    return _hidden(names, boot, "commandLine")


def _without_cards(names: Pseudonyms, networks: list[Raw]) -> list[Raw]:
    return [
        {**one, "tap": _tap(names, one["tap"])} if isinstance(one.get("tap"), dict) else one
        for one in networks
    ]


def _tap(names: Pseudonyms, tap: Raw) -> Raw:
    found = _picked(tap, "bridge")
    if tap.get("macAddress"):
        found["macAddress"] = names.card(tap["macAddress"])
    return found


def _placement(names: Pseudonyms, raw: Raw) -> Raw:
    spec = dict(raw.get("spec") or {})
    spec["nodeName"] = names.of(spec.get("nodeName", ""))
    if isinstance(spec.get("workload"), dict):
        spec["workload"] = _hidden(names, spec["workload"], "namespaceUID")
    if isinstance(spec.get("evidence"), dict):
        spec["evidence"] = _evidence(names, spec["evidence"])
    launch = _without_words(names, spec.get("launch") or {})
    if isinstance(launch.get("networks"), list):
        launch = {**launch, "networks": _without_cards(names, launch["networks"])}
    if isinstance(launch.get("guest"), dict):
        launch = {**launch, "guest": _guest(names, launch["guest"])}
    status = _picked(raw.get("status"), "ended", "incarnation", "state", "observedGeneration")
    refusal = (raw.get("status") or {}).get("refusal")
    if refusal:
        hidden = {"observed": REDACTED, "required": REDACTED}
        status["refusal"] = {**_picked(refusal, "code"), **hidden}
    metadata = _metadata(names, raw, *_OF_OURS)
    return _object(raw, metadata, spec={**spec, "launch": launch}, status=status)


def _evidence(names: Pseudonyms, evidence: Raw) -> Raw:
    """Hide by which machine and by which demands was decided, as both are hidden elsewhere."""
    found = _hidden(names, evidence, "machineID")
    if found.get("placementDigest"):
        found = {**found, "placementDigest": names.digest(found["placementDigest"])}
    return found


_KINDS: Final[Mapping[str, Callable[[Pseudonyms, Raw], Raw]]] = {
    "Namespace": _namespace,
    "Node": _node,
    "Lease": _lease,
    "NodeTruth": _truth,
    "VMWorkload": _workload,
    "VMPlacement": _placement,
}
