"""The ledger gives nothing away twice, whatever is asked of it in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schedune.api.nodetruth import NodeCapacity
from schedune.api.quantity import parse_bytes
from schedune.api.vmplacement import Claim
from schedune_agent.ledger import Ledger, memory_of

CLAIMS = st.builds(
    lambda vcpus, memory, disk: Claim(
        vcpus=vcpus, memory=f"{memory}Mi", overhead_memory="16Mi", disk=f"{disk}Mi"
    ),
    st.integers(0, 6),
    st.integers(1, 900),
    st.integers(0, 900),
)
UIDS = st.sampled_from("abcdef")


class LedgerMachine(RuleBasedStateMachine):
    """Placements come, go, come back and are found running, in any order."""

    @initialize(vcpus=st.integers(0, 12), memory=st.integers(0, 4096), disk=st.integers(0, 4096))
    def begin(self, vcpus: int, memory: int, disk: int) -> None:
        self.ledger = Ledger()
        self.capacity = NodeCapacity(
            vcpus=vcpus, memory=f"{memory}Mi", disk=f"{disk}Mi", basis="Declared"
        )
        self.ran_already: set[str] = set()

    @rule(uid=UIDS, claim=CLAIMS)
    def admit(self, uid: str, claim: Claim) -> None:
        before = dict(self.ledger.held)
        if self.ledger.reserve(uid, claim, self.capacity) is not None:
            assert self.ledger.held == before
            return
        self.ran_already.discard(uid)
        after = dict(self.ledger.held)
        assert after == {**before, uid: claim}
        self._assert_that_it_all_fits()
        if parse_bytes(claim.disk):
            self._assert_that_disks_fit()
        assert self.ledger.reserve(uid, claim, self.capacity) is None
        assert self.ledger.held == after

    @rule(uid=UIDS, claim=CLAIMS)
    def find_running(self, uid: str, claim: Claim) -> None:
        self.ledger.hold(uid, claim)
        self.ledger.hold(uid, claim)
        self.ran_already.add(uid)
        assert self.ledger.held[uid] == claim

    @rule(uid=UIDS)
    def give_back(self, uid: str) -> None:
        self.ledger.release(uid)
        once = dict(self.ledger.held)
        self.ledger.release(uid)
        self.ran_already.discard(uid)
        assert self.ledger.held == once

    @rule(uid=UIDS, claim=CLAIMS)
    def ask_a_node_that_offers_nothing(self, uid: str, claim: Claim) -> None:
        before = dict(self.ledger.held)
        assert self.ledger.reserve(uid, claim, None) is not None
        assert self.ledger.held == before

    @invariant()
    def no_more_is_given_away_than_there_is_unless_it_ran_already(self) -> None:
        if not self.ran_already:
            self._assert_that_it_all_fits()
            self._assert_that_disks_fit()

    def _assert_that_it_all_fits(self) -> None:
        held = self.ledger.held.values()
        assert sum(one.vcpus for one in held) <= self.capacity.vcpus
        assert sum(map(memory_of, held)) <= parse_bytes(self.capacity.memory)

    def _assert_that_disks_fit(self) -> None:
        held = sum(parse_bytes(one.disk) for one in self.ledger.held.values())
        assert held <= parse_bytes(self.capacity.disk)


OFFERED = NodeCapacity(vcpus=8, memory="8Gi", basis="Declared")
SMALL = Claim(vcpus=1, memory="16Mi", overhead_memory="16Mi")
WEB, DNS = frozenset({"TCP 8080"}), frozenset({"UDP 53", "TCP 8080"})


def test_a_disk_that_has_no_room_is_refused_with_what_is_left_and_no_disk_needs_none() -> None:
    ledger = Ledger()
    offered = OFFERED.model_copy(update={"disk": "10Gi"})
    wide = SMALL.model_copy(update={"disk": "8Gi"})
    assert ledger.reserve("a", wide, offered) is None
    refused = ledger.reserve("b", wide, offered)
    assert refused is not None
    assert refused.message == "the node has 2Gi of disk free, the placement claims 8Gi of disk"
    assert ledger.reserve("c", SMALL, OFFERED) is None


def test_a_port_of_the_node_leads_into_one_guest_until_that_one_gives_it_back() -> None:
    ledger = Ledger()
    assert ledger.reserve("a", SMALL, OFFERED, WEB) is None
    assert ledger.reserve("a", SMALL, OFFERED, WEB) is None
    refused = ledger.reserve("b", SMALL, OFFERED, DNS)
    assert refused is not None
    assert refused.row.code == "REFUSED_NODE_PORT_TAKEN"
    assert refused.message == "port TCP 8080 of the node is in use by placement a"
    assert (set(ledger.held), set(ledger.ports)) == ({"a"}, {"a"})
    assert ledger.reserve("b", SMALL, OFFERED, frozenset({"UDP 8080"})) is None
    ledger.release("a")
    ledger.release("b")
    assert ledger.reserve("b", SMALL, OFFERED, DNS) is None


def test_what_runs_already_keeps_its_ports_however_often_it_is_found() -> None:
    ledger = Ledger()
    ledger.hold("a", SMALL, WEB)
    ledger.hold("a", SMALL)
    assert ledger.reserve("b", SMALL, OFFERED, WEB) is not None


TestNothingIsGivenAwayTwice = LedgerMachine.TestCase
TestNothingIsGivenAwayTwice.settings = settings(max_examples=60, deadline=None)


def test_vcpus_are_shared_by_the_measure_by_which_the_operator_placed() -> None:
    """What it places is admitted: else it would place, be refused, and place again for ever."""
    capacity = NodeCapacity(vcpus=8, memory="64Gi", basis="Declared")
    twice = Claim(vcpus=4, memory="1Gi", overhead_memory="16Mi", vcpu_overcommit_percent=200)
    ledger = Ledger()
    for uid in "abcd":
        assert ledger.reserve(uid, twice, capacity) is None
    assert ledger.reserve("e", twice, capacity) is not None
    once = twice.model_copy(update={"vcpu_overcommit_percent": None})
    assert ledger.reserve("f", once, capacity) is not None
