"""Constraints, health and collectors of an envelope."""

from typing import Final

from schedune.api.nodetruth import HealthState
from schedune.codes.probes import PROBE_FAILED
from schedune_cli.importing.capabilities import CODE, LATEST, moment, shorten
from schedune_cli.importing.fields import Fields

_HEALTH: Final = {one.value: one for one in HealthState}
_SEVERITIES: Final = {one: one for one in ("Info", "Warning", "Error", "Critical")}
_MOST_MILLISECONDS: Final = 2**31 - 1
_LONGEST_MESSAGE: Final = 1024


def constraints_of(fields: Fields) -> list[dict[str, object]]:
    """Read what stands against some workloads; each must keep its code."""
    found: dict[str, dict[str, object]] = {}
    for one in fields.parts("constraints"):
        code = _code(one)
        if found.pop(code, None) is not None:
            one.change("code", "there are several of this code: the last one counts")
        one.drop("description", "the code has its own sentence")
        found[code] = {
            "code": code,
            "type": one.text("constraint_type") or "Unspecified",
            "observed": shorten(one, "observed_value", one.text("observed_value")),
            "expected": shorten(one, "expected_value", one.text("expected_value")),
        }
        one.close()
    return list(found.values())


def health_of(fields: Fields) -> dict[str, object]:
    """Read how the node is."""
    state = fields.required_choice("state", _HEALTH)
    alarms = [_alarm(one) for one in fields.parts("active_alarms")]
    fields.close()
    return {"state": state, "alarms": alarms}


def _alarm(fields: Fields) -> dict[str, object]:
    parts = [fields.text(name) for name in ("source", "description", "remediation_hint")]
    alarm: dict[str, object] = {
        "code": _code(fields),
        "severity": fields.required_choice("severity", _SEVERITIES),
        "onsetTime": moment(fields.integer("timestamp_sec", most=LATEST)),
        "message": "; ".join(part for part in parts if part)[:_LONGEST_MESSAGE],
    }
    fields.close()
    return alarm


def probes_of(fields: Fields) -> list[dict[str, object]]:
    """Read how the collectors went."""
    found: list[dict[str, object]] = []
    for one in fields.parts("collector_statuses"):
        succeeded = one.flag("success")
        one.drop("error_message", "a probe keeps its outcome, not its words")
        found.append({
            "name": one.text("collector_name", required=True),
            "outcome": "Succeeded" if succeeded else "Failed",
            "durationMilliseconds": one.integer("duration_ms", most=_MOST_MILLISECONDS),
            **({} if succeeded else {"reasonCode": PROBE_FAILED.code}),
        })  # fmt: skip
        one.close()
    return found


def codes_of(fields: Fields, name: str) -> list[str]:
    """Read a list of codes; what is none is dropped aloud."""
    found = []
    for code in fields.texts(name):
        if CODE.fullmatch(code):
            found.append(code)
        else:
            fields.notes.drop(fields.path_of(name), code, "no reason code can be written so")
    return found


def _code(fields: Fields) -> str:
    code = fields.text("code", required=True)
    if code and not CODE.fullmatch(code):
        fields.refuse("code", "must be a code: capitals, digits and '_'")
    return code
