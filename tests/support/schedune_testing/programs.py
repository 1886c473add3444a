"""Programs that tests put in the place of VMM binaries, to look at them as the agent does.

They are small scripts: data for the code that inspects binaries, and stand for no VMM.
"""

from dataclasses import dataclass
from pathlib import Path

from schedune.api.nodetruth import BackendFact
from schedune_agent.probes.family import Answer, Family, observe
from schedune_agent.probes.vmms import vmm_families

_HELP = "echo '  --api-sock <P>  --config-file <F>  --landlock  --event-monitor <E>'"


def says(line: str) -> str:
    """Return a script that gives this version and a help text."""
    return f"""[ "$1" = --help ] && {_HELP} || echo '{line}'"""


@dataclass
class Machine:
    """A folder of programs, and the family that looks for one of them."""

    folder: Path

    def install(self, name: str, script: str, mode: int = 0o755) -> Path:
        """Put a program in its place, as a package manager does: by renaming."""
        fresh = self.folder / f".{name}.new"
        fresh.write_text(f"#!/bin/sh\n{script}\n")
        fresh.chmod(mode)
        return fresh.rename(self.folder / name)

    def family(self, name: str, *folders: Path) -> Family:
        held = vmm_families("amd64", [self.folder, *folders])
        return next(one for one in held if one.name == name)


async def look(family: Family) -> tuple[Answer, list[BackendFact]]:
    """Return what a family says, which never fails."""
    outcome = await observe(family)
    assert outcome.run.outcome == "Succeeded"
    (answer,) = outcome.part.answers
    return answer, list(outcome.part.facts.get("backends", []))
