"""Chaos: real VMs, real agents and operators, struck at seeded moments; every invariant is held.

``make chaos MINUTES=3 SEED=7``; ``PART=operators`` or ``PART=agents`` plays one part only. It ends
with a table; with the seed and what went before at the first invariant that does not hold.
"""

import argparse
import logging
import random
import secrets
import sys
import time

from bystanders import Bystanders
from lives import ViolationError
from many import restart_with_many
from rounds import Director, Tally
from stage import stage_on
from two_operators import play_operators
from workloads import with_a_bridge

from schedune_testing.interrupted import end_in_order_on_sigterm, only_the_first_interrupt
from schedune_testing.machines import machine_of_this_host

_OPERATORS = 0.35
"""The share of the time in which two operators are played with; agents and VMs have the rest."""


def main() -> int:
    """Play until the time is over; return 1 at a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=None, help="of a run that is to be repeated")
    parser.add_argument(
        "--kills", type=int, default=0, help="go on until so many agents were killed at a moment"
    )
    parser.add_argument("--vms", type=int, default=50, help="at one restart; 0: leave that out")
    parser.add_argument("--part", choices=["all", "agents", "operators"], default="all")
    told = parser.parse_args()
    seed = secrets.randbelow(2**31) if told.seed is None else told.seed
    logging.disable()
    end_in_order_on_sigterm()
    shares = {"all": (1 - _OPERATORS, _OPERATORS), "agents": (1, 0), "operators": (0, 1)}
    agents, operators = (told.minutes * share for share in shares[told.part])
    failed = play_agents(agents, seed, told.vms, told.kills) if agents else 0
    return failed or (play_operators(operators, seed, _say) if operators else 0)


def play_agents(minutes: float, seed: int, vms: int, kills: int) -> int:
    """Play with agents and VMs until the time is over and enough were killed.

    Return 1 at a violation.
    """
    _say(f"agents and VMs for {minutes:g} minutes with the seed {seed}")
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - to be repeated, not to be secret
    until = time.monotonic() + 60 * minutes
    with (
        machine_of_this_host(boots=False) as found,
        with_a_bridge(found) as machine,
        stage_on(machine) as stage,
        only_the_first_interrupt(),
    ):
        if not machine.facts.networks:
            _say("no VM has a tap: we may not make a network of our own here")
        bystanders = Bystanders(machine.settings)
        director = Director(stage, bystanders, chance, tally)
        try:
            if vms:
                _say(restart_with_many(director, vms))
            while time.monotonic() < until or tally.kills.total() < kills:
                director.play()
        except (ViolationError, AssertionError) as error:
            _say(f"\nVIOLATION in round {tally.rounds} of the seed {seed}: {error}")
            _say("\n".join(("what went before:", *director.history)))
            return 1
        finally:
            bystanders.let_go(keep=0)
            _tell(tally, seed)
    return 0


def _tell(tally: Tally, seed: int) -> None:
    rows = [
        ("rounds", tally.rounds),
        ("lives of agents", tally.lives),
        ("agents killed", tally.kills.total()),
        ("different moments at which", len(tally.kills)),
        ("different moments that agents reached", len(tally.seen)),
        ("faults", tally.faults.total()),
        ("invariants checked", tally.checks.total()),
        ("seed", seed),
    ]
    for title, counted in (
        ("kills by moment", {**dict.fromkeys(tally.seen, 0), **tally.kills}),
        ("faults by kind", tally.faults),
        ("checks by invariant", tally.checks),
    ):
        rows += [(f"-- {title}", ""), *sorted(counted.items(), key=lambda one: str(one[0]))]
    width = max(len(what) for what, _ in rows)
    _say("\n".join(f"{what:<{width}} {value:>6}" for what, value in rows))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
