"""A fold over rows that grow goes on where it was, and answers as a fold from the start would."""

from __future__ import annotations

import functools
import random

import pytest

from runner.core import fold
from runner.core.fold import folded


class Counting:
    """Adds up numbers, and counts how often it was asked to add one."""

    def __init__(self) -> None:
        self.asked = 0

    def add(self, total: float, item: float) -> float:
        self.asked += 1
        return total * 0.5 + item

    def of(self, rows: list[float]) -> float:
        return folded(self, rows, 0.0, self.add)


def from_the_start(rows: list[float]) -> float:
    return functools.reduce(lambda total, item: total * 0.5 + item, rows, 0.0)


def test_rows_that_grow_are_read_once_each_however_often_one_asks() -> None:
    sums, rows = Counting(), []
    for epoch in range(1000):
        for _ in range(13):  # the steps of the epoch
            assert sums.of(rows) == from_the_start(rows) if epoch < 20 else sums.of(rows) is not None
        rows.append(float(epoch))
    assert sums.asked == 999


def test_it_begins_again_with_other_rows_fewer_rows_or_another_last_row() -> None:
    sums, rows = Counting(), [1.5, 2.5, 3.5]
    assert sums.of(rows) == from_the_start([1.5, 2.5, 3.5])
    assert sums.of([4.5, 5.5]) == from_the_start([4.5, 5.5])
    assert sums.of(rows) == from_the_start([1.5, 2.5, 3.5])
    del rows[1:]
    assert sums.of(rows) == from_the_start([1.5])
    rows[0] = 9.5
    assert sums.of(rows) == from_the_start([9.5])
    rows.clear()
    assert sums.of(rows) == 0.0


def test_two_owners_do_not_see_each_other() -> None:
    one, other, rows = Counting(), Counting(), [1.0]
    assert one.of(rows) == 1.0
    assert folded(other, rows, 10.0, lambda total, item: total - item) == 9.0
    rows.append(2.0)
    assert (one.of(rows), folded(other, rows, 10.0, lambda total, item: total - item)) == (2.5, 7.0)


def test_it_answers_as_a_fold_from_the_start_whatever_the_order_of_the_questions() -> None:
    draw, owners, lists = random.Random(0), [Counting() for _ in range(5)], [[0.5], [], [1.0]]
    for _ in range(2000):
        owner, rows = draw.choice(owners), draw.choice(lists)
        if draw.random() < 0.3:
            rows.append(draw.random())
        assert owner.of(rows) == from_the_start(rows)


def test_it_keeps_a_bounded_number_of_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "_kept", {})
    owners = [Counting() for _ in range(3 * fold.MOST)]
    for owner in owners:
        owner.of([1.0])
    assert len(fold._kept) == fold.MOST
    assert owners[0].of([1.0]) == 1.0


def test_other_rows_that_share_their_last_one_are_other_rows() -> None:
    sums, last = Counting(), 3.5
    assert sums.of([1.5, last]) == from_the_start([1.5, last])
    assert sums.of([2.5, last]) == from_the_start([2.5, last])
    assert sums.of([2.5, last, 1.0]) == from_the_start([2.5, last, 1.0])
