"""``schedune snapshot``: a cluster's fleet in one file."""

import os
from pathlib import Path
from tempfile import mkstemp
from typing import Final

import click

from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit
from schedune_cli.recording.cluster import cluster_uid, read_cluster
from schedune_cli.recording.pseudonyms import Pseudonyms
from schedune_cli.recording.recording import Recording
from schedune_cli.recording.redaction import concerned
from schedune_cli.recording.redaction import redact as redacted
from schedune_cli.recording.snapshot import objects_of, render_snapshot, snapshot_of

_STREAM: Final = "-"
EXAMPLES: Final = """\b
Examples:
  schedune snapshot -o fleet.yaml
  schedune snapshot --redact -o fleet.json
  schedune explain -f deploy/ --truth fleet.yaml"""


@click.command(epilog=EXAMPLES)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, allow_dash=True), default=Path(_STREAM),
    metavar="FILE", help="Where to write; .json is read back many times faster. Unset: output.",
)  # fmt: skip
@click.option("--redact", is_flag=True, help="Keep only what a decision needs.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), metavar="FILE", envvar="KUBECONFIG",
              help="Which kubeconfig. Unset: $KUBECONFIG, or ~/.kube/config.")  # fmt: skip
@click.option("--context", metavar="NAME", help="Which context of the kubeconfig.")
def snapshot(*, output: Path, redact: bool, kubeconfig: Path | None, context: str | None) -> None:
    """Write a cluster's fleet into one file, to ask about later, elsewhere, or in a pipeline.

    It holds the Nodes, NodeTruths, VMWorkloads and VMPlacements, the agents' Leases, and
    when it was taken; of Namespaces only their UIDs and the limits of their VMs.

    With --redact annotations and addresses of nodes are left out. User data, SSH keys, kernel
    command lines, addresses of cards, names of Secrets, ids of machines, names of nodes, and
    labels that are not of schedune.io become pseudonyms: the same in every snapshot of this
    cluster. Names of workloads and namespaces stay, and what runs without a placement.

    Exit status: 0, or 2 where the cluster cannot be read or the file not be written.
    """
    recording = read_cluster(kubeconfig, context, read_clock())
    objects = [*objects_of(recording)]
    if redact:
        known = sorted({*recording.nodes, *recording.truths})
        names = Pseudonyms(cluster_uid(kubeconfig, context), known)
        objects = [redacted(raw, names) for raw in concerned(objects)]
        objects.sort(key=lambda raw: (_ORDER.index(raw["kind"]), _key(raw)))
    taken = snapshot_of(objects, recording.recorded or read_clock())
    _write(output, render_snapshot(taken, as_json=output.suffix == ".json"))
    click.echo(_told(recording), err=True)


_ORDER: Final = ("Namespace", "Node", "NodeTruth", "Lease", "VMWorkload", "VMPlacement")


def _key(raw: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Sort by what is shown: an order of real names would tell of them."""
    return raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


def _told(recording: Recording) -> str:
    return (
        f"{len(recording.nodes)} Nodes, {len(recording.truths)} NodeTruths,"
        f" {len(recording.leases)} Leases, {len(recording.workloads)} VMWorkloads,"
        f" {len(recording.placements)} VMPlacements"
    )


def _write(output: Path, text: str) -> None:
    """Write all at once, for the user's eyes only: a fleet tells much of its owner.

    What was there before stays until all of the new one is on the disk.
    """
    if str(output) == _STREAM:
        click.echo(text, nl=False)
        return
    try:
        if output.exists() and not output.is_file():
            # A device or a pipe is written into: there is nothing in it to lose.
            output.write_text(text, encoding="utf-8")
        else:
            _replace(output.resolve(), text)
    except OSError as error:
        click.echo(f"error: {output}: cannot be written: {error.strerror}", err=True)
        raise SystemExit(Exit.BAD_INPUT) from error


def _replace(output: Path, text: str) -> None:
    """Put a file in the place of another in one step; a temporary one is readable for us alone."""
    handle, name = mkstemp(dir=output.parent, prefix=f".{output.name[:64]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(output)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
