"""Rules of workloads that run, for those that come: as they are now, not as they were."""

from schedune_testing.desk import HOSTNAME, Desk

BATCH = {"app": "batch"}
NO_BATCH = {"antiAffinity": [{"topologyKey": HOSTNAME, "workloadSelector": {"matchLabels": BATCH}}]}


async def test_a_rule_that_is_taken_back_frees_whom_it_kept_away() -> None:
    desk = Desk()
    desk.has_node("a")
    desk.apply("db", placement=NO_BATCH)
    await desk.runs("db")
    desk.apply("job", labels=BATCH)
    await desk.rests()
    assert desk.condition("job", "Scheduled")[0] == "NoEligibleNode"
    desk.apply("db", placement={})
    await desk.rests()
    assert desk.where() == {"db": "a", "job": "a"}


async def test_a_rule_that_comes_later_ends_nobody() -> None:
    desk = Desk()
    desk.has_node("a")
    desk.apply("db")
    desk.apply("job", labels=BATCH)
    await desk.runs("db", "job")
    desk.apply("db", placement=NO_BATCH)
    await desk.rests()
    assert desk.stops() == {}
    assert desk.where() == {"db": "a", "job": "a"}
