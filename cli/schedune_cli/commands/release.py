"""``schedune release``: an administrator asserts that a VM is off, where nobody else can."""

from datetime import datetime
from typing import Final

import click

from schedune.api.vmplacement import VMPlacement
from schedune.codes import fencing as codes
from schedune.lifecycle.release import judge_release
from schedune.telling.page import printable
from schedune_cli.clock import read_clock
from schedune_cli.commands.exits import Exit
from schedune_cli.commands.options import cluster_options
from schedune_cli.inputs import Asked
from schedune_cli.recording.cluster import namespace_of, read_node
from schedune_cli.recording.releasing import Cluster, made_at
from schedune_cli.recording.world import read_world

EXAMPLES: Final = """\b
Examples:
  schedune release shop/payments --asserted-by "Ada, on call" \\
      --because "rack 7 has no power since 11:40, ticket 1234" """
_WARNING: Final = (
    "If this VM is not off, a second one will run beside it, and a disk that both write is lost."
)


@click.command(epilog=EXAMPLES)
@click.argument("placement", metavar="[NAMESPACE/]PLACEMENT")
@click.option(
    "--asserted-by",
    required=True,
    metavar="NAME",
    callback=lambda *given: _short(given[-1], 64),
    help="Who takes the responsibility.",
)
@click.option(
    "--because",
    required=True,
    metavar="TEXT",
    callback=lambda *given: _short(given[-1], 100),
    help="How you know that the VM is off.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster_options
def release(asked: Asked, *, placement: str, asserted_by: str, because: str, yes: bool) -> None:
    """Assert that a VM is off, so that its workload is placed anew. The last resort.

    Schedune never takes a VM for ended that it has not proved ended. Where its node is gone for
    good, delete the Node, and it is fenced by itself. This is for what is left: an agent that
    cannot tell, a machine that you switched off and want to keep. Nothing checks what you say;
    who said it, when and why is kept in the history of the VMWorkload.

    It is refused while the VM's own agent answers and is at work on it.

    Exit status: 0 asserted, 1 refused, 2 for bad input.
    """
    cluster = Cluster(asked.kubeconfig, asked.context)
    namespace, _, name = placement.rpartition("/")
    found = cluster.placement(namespace or namespace_of(asked.kubeconfig, asked.context), name)
    now = read_clock()
    make = made_at(now, found, asserted_by, because)
    heard = _is_heard(asked, found, now)
    refusal = judge_release(make(""), found, is_heard=heard, listed_by=())
    _show(found, is_heard=heard)
    if refusal.row is codes.RELEASE_CONTRADICTED:
        click.echo(f"Refused: {refusal.required}; {refusal.row.remedy.partition(';')[0]}", err=True)
        raise SystemExit(Exit.SOME_HAVE_NONE)
    click.echo(_WARNING)
    if not yes and click.prompt("To go on, type the name of the VM") != found.metadata.name:
        click.echo("Nothing was done.", err=True)
        raise SystemExit(Exit.SOME_HAVE_NONE)
    made = cluster.assert_off(found, make)
    click.echo(f"Asserted by {made.asserted_by}, as {made.user}. The operator ends the placement")
    click.echo("with this evidence in status.history, and places the VM anew:")
    click.echo(f"  kubectl -n {found.metadata.namespace} describe vmw {found.metadata.name}")


def _short(text: str, longest: int) -> str:
    if not text.strip() or len(text) > longest:
        raise click.BadParameter(f"give 1 to {longest} characters: they are kept in the history")
    return text.strip()


def _is_heard(asked: Asked, placement: VMPlacement, now: datetime) -> bool:
    node = placement.spec.node_name
    world = read_world(read_node(asked.kubeconfig, asked.context, node, now))
    record = world.records.get(node)
    if record is None or record.last_proof is None:
        return False
    return (now - record.last_proof).total_seconds() <= record.lease_seconds


def _show(found: VMPlacement, *, is_heard: bool) -> None:
    state = found.status.state.value if found.status.state else "not taken up by an agent"
    agent = "answers" if is_heard else "is silent"
    metadata, node = found.metadata, found.spec.node_name
    told = f"VMPlacement {metadata.namespace}/{metadata.name} (UID {metadata.uid}) on {node}"
    click.echo(printable(f"{told}: {state}; the agent of {node} {agent}."))
