"""Threads that work in any order and settle in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from converters.disks.crew import DEPTH, Finish, nothing, work_through


def test_everything_is_settled_once_and_in_order_however_long_it_takes() -> None:
    pick = Random(5)
    pauses = [pick.random() / 500 for _ in range(200)]
    settled: list[int] = []
    finished: list[int] = []

    def prepare(number: int) -> int:
        time.sleep(pauses[number])
        return number * number

    def settle(number: int, square: int) -> Finish:
        assert square == number * number
        settled.append(number)
        return lambda: finished.append(number)

    work_through(iter(range(200)), prepare, settle, threads=7)
    assert settled == list(range(200))
    assert sorted(finished) == settled


def test_no_more_than_a_few_items_for_each_thread_are_under_way() -> None:
    lock = threading.Lock()
    under_way = most = 0

    def prepare(number: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if number == 0:
            time.sleep(0.3)

    def settle(number: int, prepared: None) -> Finish:
        del number, prepared

        def finish() -> None:
            nonlocal under_way
            with lock:
                under_way -= 1

        return finish

    work_through(iter(range(1000)), prepare, settle, threads=3)
    assert 3 < most <= 3 * DEPTH
    assert under_way == 0


def failing(at: int) -> Callable[[int], int]:
    def act(number: int) -> int:
        if number == at:
            raise ValueError(f"{number} failed")
        return number

    return act


def ignoring(act: Callable[[int], int], number: int) -> None:
    act(number)


@pytest.mark.parametrize("where", ["taking", "preparing", "settling", "finishing"])
def test_a_failure_anywhere_ends_the_work(where: str) -> None:
    fail = failing(20)
    before = threading.active_count()
    settled: list[int] = []

    def settle(number: int, prepared: int) -> Finish:
        if where == "settling":
            fail(prepared)
        settled.append(number)
        return partial(ignoring, fail, number) if where == "finishing" else nothing

    items = map(fail if where == "taking" else int, range(100_000))
    prepare = fail if where == "preparing" else int
    with pytest.raises(ValueError, match="20 failed"):
        work_through(items, prepare, settle, threads=4)
    assert len(settled) < 100
    assert threading.active_count() == before


def test_the_caller_looks_on() -> None:
    looked: list[str] = []

    def prepare(number: int) -> None:
        del number
        time.sleep(0.7)

    work_through(
        iter(range(2)),
        prepare,
        lambda number, prepared: nothing,
        watch=lambda: looked.append(threading.current_thread().name),
        threads=2,
    )
    assert set(looked) == {threading.current_thread().name}
    assert len(looked) >= 2
