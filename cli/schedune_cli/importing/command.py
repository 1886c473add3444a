"""``schedune import``: files or a stream in, YAML out, and every loss said aloud."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from schedune_cli.importing.documents import NotJSONError, import_document, read_documents
from schedune_cli.importing.manifest import key_of, render_manifest, title_of
from schedune_cli.importing.notes import Imported, Problem, Refused
from schedune_cli.importing.workload import ImportPolicy

BAD_INPUT: Final = 2
_STREAM: Final = "-"


@dataclass(slots=True)
class _Harvest:
    """What became of all inputs together."""

    manifests: list[str] = field(default_factory=list)
    keys: dict[tuple[str, str, str], str] = field(default_factory=dict)
    losses: int = 0
    refused: int = 0

    def take(self, source: str, found: Imported | Refused) -> None:
        """Keep one document, or say why not."""
        if isinstance(found, Imported):
            found = self._unless_known(source, found)
        if not isinstance(found, Imported):
            self.refused += 1
            for problem in found:
                _say(f"{source}: refused: {problem}")
            return
        self.losses += len(found.losses)
        self.manifests.append(render_manifest(found, source))
        _say(f"{source}: {title_of(found.manifest)}")
        for loss in found.losses:
            _say(f"{source}: {loss}")

    def _unless_known(self, source: str, found: Imported) -> Imported | Refused:
        """Refuse a second object of one name: one of the two would be lost in silence."""
        earlier = self.keys.setdefault(key_of(found.manifest), source)
        if earlier == source:
            return found
        remedy = f"is also what {earlier} gives: import one of them, or both as one plan"
        return (Problem("name", title_of(found.manifest), remedy),)


@click.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, allow_dash=True), default=Path(_STREAM),
    help="Write the YAML into this file; unset or -: standard output.",
)  # fmt: skip
@click.option(
    "--firmware", metavar="NAME", default="firmware", show_default=True,
    help="Artefact that VMs boot from which the documents boot from a disk.",
)  # fmt: skip
def import_command(files: tuple[Path, ...], output: Path, firmware: str) -> None:
    """Turn documents of the original Schedune into YAML for this one.

    FILES hold SchedulerEnvelopes, WorkloadIntents, LaunchSpecs and LaunchPlanRequests as
    JSON: one, several, or lists of them. Without FILES, or for -, standard input is read.
    Envelopes become NodeTruths, to ask about and not to apply: a node's own agent writes
    its truth. The others become VMWorkloads.

    Ids that Kubernetes refuses are written in lower case, with hyphens, and end in the start
    of their own digest; ids with other characters than letters, digits, '-' and '_' are
    refused, and so are names of nodes that are none.

    Every field that is dropped, changed in meaning or added is said on standard error and
    as a comment above its object. Exit status 2: some input is bad; the rest is imported.
    """
    harvest = _Harvest()
    for file in files or (Path(_STREAM),):
        for source, found in _imported(file, ImportPolicy(firmware)):
            harvest.take(source, found)
    _write(output, harvest.manifests)
    _say(
        f"{len(harvest.manifests)} imported, {harvest.losses} differences, "
        f"{harvest.refused} refused"
    )
    if harvest.refused:
        raise SystemExit(BAD_INPUT)


def _imported(file: Path, policy: ImportPolicy) -> Iterator[tuple[str, Imported | Refused]]:
    name = "standard input" if str(file) == _STREAM else str(file)
    source = name.encode("ascii", "backslashreplace").decode().replace("\n", "\\n")
    try:
        documents = read_documents(_read(file))
    except (OSError, UnicodeDecodeError) as error:
        yield source, (Problem("file", source, f"cannot be read: {error}"),)
        return
    except NotJSONError as error:
        yield source, (Problem("file", source, f"is no JSON: {error}"),)
        return
    if not documents:
        yield source, (Problem("file", source, "holds no document"),)
    for number, document in enumerate(documents, start=1):
        place = source if len(documents) == 1 else f"{source}, document {number}"
        yield place, import_document(document, policy)


def _read(file: Path) -> str:
    if str(file) == _STREAM:
        # A caller may have closed standard input (<&-): then there is no stream.
        return sys.stdin.buffer.read().decode("utf-8-sig") if sys.stdin is not None else ""
    return file.read_bytes().decode("utf-8-sig")


def _write(output: Path, manifests: Sequence[str]) -> None:
    """Write all at once; where nothing was imported, an older file stays as it is."""
    text = "".join(manifests)
    if str(output) == _STREAM:
        click.echo(text, nl=False)
    elif text:
        try:
            output.write_text(text)
        except OSError as error:
            _say(f"{output}: cannot be written: {error}")
            raise SystemExit(BAD_INPUT) from error


def _say(line: str) -> None:
    click.echo(line, err=True)
