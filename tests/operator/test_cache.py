"""What the operator holds of the workloads, whatever order the news comes in."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schedune_operator.cache import WorkloadCache

KEY = ("shop", "payments")


def workload(version: int, uid: str = "u1", name: str = "payments") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": uid,
            "resourceVersion": str(version),
        }
    }


def test_late_news_of_an_earlier_object_of_the_name_changes_nothing() -> None:
    cache = WorkloadCache()
    cache.note("ADDED", workload(9, "new"))
    cache.note("MODIFIED", workload(7, "old"))
    cache.note("DELETED", workload(8, "old"))
    assert cache.workloads[KEY]["metadata"]["uid"] == "new"


def test_a_list_does_not_forget_what_was_made_after_it() -> None:
    cache = WorkloadCache()
    cache.note("ADDED", workload(12, name="late"))
    cache.replace_all([workload(5)], "10")
    assert set(cache.workloads) == {KEY, ("shop", "late")}


def test_what_a_list_brings_in_the_version_that_is_held_is_no_news() -> None:
    cache, told = WorkloadCache(), list[tuple[str, str]]()
    cache.note("ADDED", workload(5))
    cache.note("ADDED", workload(6, name="changed"))
    held = cache.workloads[KEY]
    cache.on_note = told.append
    listed = [workload(5), workload(9, name="changed")]
    cache.replace_all([cache.kept(one) for one in listed], "10")
    assert cache.workloads[KEY] is held
    assert told == [("shop", "changed")]


def test_a_list_forgets_what_was_deleted_while_nobody_watched() -> None:
    cache = WorkloadCache()
    cache.note("ADDED", workload(3))
    cache.replace_all([], "10")
    assert not cache.workloads


def test_what_is_deleted_while_a_list_is_under_way_stays_deleted() -> None:
    """The list shows what was there when it began, also on its last page."""
    cache = WorkloadCache()
    cache.note("ADDED", workload(5))
    listed = [cache.kept(workload(5))]
    cache.note("DELETED", workload(12))
    cache.replace_all(listed, "10")
    assert not cache.workloads
    cache.replace_all([cache.kept(workload(14, "u2"))], "15")
    assert cache.workloads[KEY]["metadata"]["uid"] == "u2"


def test_our_own_write_does_not_bring_back_what_was_deleted_meanwhile() -> None:
    cache = WorkloadCache()
    cache.note("ADDED", workload(5))
    cache.note("DELETED", workload(7))
    cache.absorb(workload(6))
    assert not cache.workloads
    assert not cache.ours


def test_what_the_server_says_is_gone_is_gone_also_when_old_news_of_it_comes() -> None:
    cache = WorkloadCache()
    cache.note("ADDED", workload(5))
    cache.forget(cache.workloads[KEY])
    cache.note("MODIFIED", workload(6))
    assert not cache.workloads


def test_after_a_restored_backup_what_the_list_shows_is_the_case() -> None:
    """The server counts from an earlier version on: what was held is not newer."""
    cache = WorkloadCache()
    cache.replace_all([workload(100), workload(101, "u2", "made-after-the-backup")], "110")
    cache.replace_all([workload(50)], "60")
    assert set(cache.workloads) == {KEY}
    assert cache.workloads[KEY]["metadata"]["resourceVersion"] == "50"
    cache.note("MODIFIED", workload(61))
    assert cache.workloads[KEY]["metadata"]["resourceVersion"] == "61"


def test_kopf_hands_every_handler_the_same_cache() -> None:
    cache = WorkloadCache()
    assert copy.copy(cache) is cache


@given(st.permutations(list(range(1, 8))))
def test_the_newest_version_wins_in_any_order(order: list[int]) -> None:
    cache = WorkloadCache()
    for version in order:
        cache.note("MODIFIED", workload(version))
    assert cache.workloads[KEY]["metadata"]["resourceVersion"] == "7"
