"""One workload on one node, for people: each cause with all that is known of it."""

from collections.abc import Sequence
from typing import Final

from schedune.explaining.form import NodeAnswer, Objection, WhyNot
from schedune.explaining.text import place
from schedune.telling.page import Page, Tone, counted

_LABEL: Final = 10


def render_why_not(told: WhyNot, page: Page) -> str:
    """Return the answer as text."""
    name = f"{told.metadata.namespace}/{told.metadata.name}"
    lines = [f"{page.paint(f'{name} on {told.node_name}', Tone.TITLE)}  ({place(told.position)})"]
    tone = Tone.BAD if told.verdict is NodeAnswer.REJECTED or told.refusals else Tone.GOOD
    lines += [page.paint(line, tone) for line in page.paragraph(_outcome(told))]
    for refusal in told.refusals:
        text = f"{place(refusal.position)}: {refusal.code}: {refusal.message}; {refusal.remedy}"
        lines += page.paragraph(text, "  ", "    ")
    lines += _causes("Whatever runs the VM", told.objections, page)
    for backend in told.backends:
        if backend.objections:
            lines += _causes(f"With {backend.backend}", backend.objections, page)
        else:
            title = f"With {backend.backend}: nothing of its own stands against it"
            lines += ["", page.paint(title, Tone.TITLE)]
    return "\n".join(lines) + "\n"


def _outcome(told: WhyNot) -> str:
    when = f"{told.time:%Y-%m-%dT%H:%M:%SZ}"
    run = f"{told.backend}, score {told.score}"
    refused = "The workload is refused as it is written; otherwise " if told.refusals else ""
    if told.verdict is NodeAnswer.CHOSEN:
        text = f"{told.node_name} is chosen ({run})"
    elif told.verdict is NodeAnswer.ELIGIBLE:
        text = f"{told.node_name} is eligible ({run}); {told.chosen} is chosen"
    else:
        elsewhere = f"{told.chosen} is chosen" if told.chosen else "no node can run it"
        text = f"{told.node_name} is rejected; {elsewhere}"
    return f"{refused}{text}. Judged for {when}."


def _causes(title: str, causes: Sequence[Objection], page: Page) -> list[str]:
    if not causes:
        return []
    lines = ["", page.paint(f"{title}: {counted(len(causes), 'cause')}", Tone.TITLE)]
    for cause in causes:
        lines += page.paragraph(cause.message, "  ", "    ")
        for label, value in _known_of(cause):
            lines += page.paragraph(value, f"    {label:<{_LABEL}}", " " * (4 + _LABEL))
    return lines


def _known_of(cause: Objection) -> list[tuple[str, str]]:
    actor = "you can change it" if cause.actor == "User" else "an administrator can repair it"
    rows = [
        ("code", f"{cause.code} ({actor})"),
        ("observed", cause.observed),
        ("required", cause.required),
        ("change", cause.change),
        ("remedy", cause.remedy),
    ]
    rows += [("then also", f"{one.message} ({one.code})") for one in cause.consequences]
    return [(label, value) for label, value in rows if value]
