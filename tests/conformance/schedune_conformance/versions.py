"""Kinds without a node: version, parse_version, socket_path."""

from schedune.launch.version import judge_version, parse_version
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.names import label_of
from schedune_cli.importing.notes import Notes
from schedune_conformance.answer import Answers
from schedune_conformance.corpus import Case


def answer_parse_version(case: Case) -> Answers:
    """Read a version out of a line."""
    found = parse_version(case.raw["observed"])
    ours = {"ok": found is not None, "version": None if found is None else list(found)}
    return Answers({"ok": case.expected["ok"], "version": case.expected["version"]}, ours)


def answer_version(case: Case) -> Answers:
    """Judge a version against a demand."""
    demand = case.raw.get("req") or {}
    found = judge_version(
        case.raw["observed"],
        subject="the VMM",
        minimum=demand.get("minimum_version"),
        exact=demand.get("exact_version"),
    )
    codes = [one.row.code for one in found]
    ours = {"ok": not codes, "code": codes[0] if codes else ""}
    return Answers({"ok": case.expected["ok"], "code": case.expected["code"]}, ours)


def answer_socket_path(case: Case) -> Answers:
    """Take an id in: what the original refuses may become no name here."""
    notes = Notes()
    label_of(Fields({"id": case.raw["id"]}, notes), "id")
    return Answers({"eligible": case.expected["eligible"]}, {"eligible": not notes.problems})
