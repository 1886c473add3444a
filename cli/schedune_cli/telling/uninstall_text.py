"""The way to a cluster without Schedune, for people: one step after the other."""

from collections.abc import Mapping
from typing import Final

from schedune.telling.page import Page, Tone, counted
from schedune_cli.judging.uninstall import StepState, UninstallCheck, UninstallStep

_TONES: Final[Mapping[StepState, Tone]] = {
    StepState.DONE: Tone.GOOD,
    StepState.TO_DO: Tone.BAD,
    StepState.UNKNOWN: Tone.DOUBTFUL,
    StepState.LAST: Tone.PLAIN,
}
_WORDS: Final[Mapping[StepState, str]] = {
    StepState.DONE: "done",
    StepState.TO_DO: "to do",
    StepState.UNKNOWN: "unknown",
    StepState.LAST: "after that",
}
_MOST: Final = 20
"""Findings of one step that are shown."""


def render_uninstall(told: UninstallCheck, page: Page) -> str:
    """Return the steps in their order, each with what is still there."""
    lines: list[str] = []
    for number, step in enumerate(told.steps, start=1):
        word = page.paint(_WORDS[step.state], _TONES[step.state])
        lines += [f"{number}. {page.paint(step.name, Tone.TITLE)}: {word}", *_step(step, page), ""]
    if told.is_clear:
        lines.append("Nothing of Schedune runs any more: it can be removed, step by step.")
    elif told.unread:
        lines.append("Not yet: what cannot be read may be a VM. Read it, and check again.")
    else:
        lines.append("Not yet: begin with the first step that is not done, and check again.")
    return "\n".join(lines) + "\n"


def _step(step: UninstallStep, page: Page) -> list[str]:
    lines = []
    for one in step.found[:_MOST]:
        told = f"{one.what}: {one.told}" if one.told else one.what
        lines += page.paragraph(told, "   - ", "     ")
        lines += page.paragraph(one.remedy, "     ") if one.remedy else []
    if len(step.found) > _MOST:
        lines.append(f"   and {counted(len(step.found) - _MOST, 'other')}")
    return [*lines, f"   $ {step.command}"] if step.command else lines
