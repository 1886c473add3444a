"""The form in which a truth is published: what goes without saying is left out, and it is bounded.

Every node's truth is held by the API server and by whoever watches: 8 KiB are typical, 32 KiB
the most, live VMs apart. Those are never left out: they keep a second one away.
"""

import json
from typing import Any, Final

from schedune.api.nodetruth import CapabilityState, NodeTruthStatus, ProbeRun

MOST_BYTES: Final = 32 * 1024
_FEWEST_ORPHANS: Final = 8
_SUCCEEDED: Final = "Succeeded"


def publish_form(facts: NodeTruthStatus) -> dict[str, object]:
    """Return the status as it is written."""
    shown = facts.model_copy(update={"probes": [one for one in facts.probes if _is_news(one)]})
    body = _brief(shown.render())
    for shortened in _shorter(shown):
        if _size(body) <= MOST_BYTES:
            break
        body = _brief(shortened.render())
    return body


def _is_news(run: ProbeRun) -> bool:
    return run.outcome != _SUCCEEDED


def _brief(body: dict[str, object]) -> dict[str, object]:
    """Leave out what a reader knows: the time of the whole, and words for a plain yes."""
    capabilities = body.get("capabilities")
    if not isinstance(capabilities, list):
        return body
    when = body.get("observedTime")
    return {**body, "capabilities": [_brief_answer(one, when) for one in capabilities]}


def _brief_answer(one: dict[str, Any], when: object) -> dict[str, Any]:
    ages = "staleAfterSeconds" in one
    left_out = {"observedTime"} if one["observedTime"] == when and not ages else set()
    if one["state"] == CapabilityState.SUPPORTED.value:
        left_out.add("message")
    return {key: value for key, value in one.items() if key not in left_out and value != ""}


def _shorter(facts: NodeTruthStatus) -> "list[NodeTruthStatus]":
    """Return ever shorter forms: without evidence, with fewer orphans, with fewer artefacts.

    What is left out is counted as not listed: such an artefact is Unknown.
    """
    plain = [one.model_copy(update={"evidence": ""}) for one in facts.artifacts]
    hidden = facts.artifacts_truncated or 0
    forms = [facts.model_copy(update={"artifacts": plain})]
    changes: dict[str, object] = {"orphans": facts.orphans[:_FEWEST_ORPHANS]}
    if left_out := len(facts.orphans[_FEWEST_ORPHANS:]):
        changes["orphans_truncated"] = (facts.orphans_truncated or 0) + left_out
    for count in (len(plain), len(plain) // 2, len(plain) // 4, 0):
        changes["artifacts"] = plain[:count]
        if left_out := len(plain) - count:
            changes["artifacts_truncated"] = hidden + left_out
        forms.append(facts.model_copy(update=changes))
    return forms


def _size(body: dict[str, object]) -> int:
    """Return the bytes that can be saved on: whatever live VMs take, the rest has its room."""
    rest = {key: value for key, value in body.items() if key != "liveVMs"}
    return len(json.dumps(rest, separators=(",", ":")).encode())
