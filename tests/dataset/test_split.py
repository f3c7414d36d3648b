"""The division into training, validation and test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import ConfigError
from runner.dataset.base import Array, Split, Table, apportion, split
from runner.dataset.breast_cancer import BreastCancer
from runner.dataset.diabetes import Diabetes
from runner.dataset.digits import Digits

ALL = [Digits(), BreastCancer(), Diabetes()]


def classes(*sizes: int) -> Table:
    """A table whose class c has `sizes[c]` rows, mixed in a fixed way."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return Table(np.zeros((len(y), 1)), y, tuple(str(c) for c in range(len(sizes))))


def parts(made: Split) -> tuple[Array, Array, Array]:
    return made.train, made.validation, made.test


@pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
def test_the_parts_are_disjoint_sorted_and_together_all_rows(made: Any) -> None:
    table = made.load()
    rows = parts(made.split(table))
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(len(table.y)))
    for part in rows:
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
def test_a_part_has_its_share_of_all_rows(made: Any) -> None:
    table = made.load()
    _, validation, test = parts(made.split(table))
    assert len(validation) == len(test) == round(0.15 * len(table.y))


@pytest.mark.parametrize("made", ALL[:2], ids=lambda made: type(made).__name__)
def test_each_class_is_within_one_row_of_its_share_in_validation_and_test(made: Any) -> None:
    table = made.load()
    division = made.split(table)
    sizes = np.bincount(table.y)
    for rows in (division.validation, division.test):
        assert (np.abs(np.bincount(table.y[rows], minlength=len(sizes)) - 0.15 * sizes) < 1).all()


@settings(derandomize=True, database=None)
@given(
    st.lists(st.integers(4, 60), min_size=2, max_size=8),
    st.floats(0.1, 0.25),
    st.floats(0.1, 0.25),
    st.integers(0, 2**32),
)
def test_any_classes_of_four_rows_are_divided_within_one_row_of_their_share(
    sizes: list[int], validation: float, test: float, seed: int
) -> None:
    # half of at least four rows are for training, so no class runs out of room and the rounding decides alone
    table = classes(*sizes)
    division = split(table, validation, test, seed)
    n = len(table.y)
    assert np.array_equal(np.sort(np.concatenate(parts(division))), np.arange(n))
    for share, rows in ((validation, division.validation), (test, division.test)):
        assert len(rows) == round(n * share)
        assert (np.abs(np.bincount(table.y[rows], minlength=len(sizes)) - share * np.array(sizes)) < 1).all()


@settings(derandomize=True, database=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 9))
def test_however_rare_a_class_is_it_keeps_a_row_for_training(sizes: list[int], seed: int) -> None:
    table = classes(*sizes, 20)
    division = split(table, 0.2, 0.2, seed)
    assert set(table.y[division.train]) == set(range(len(sizes) + 1))
    assert len(division.validation) == len(division.test) == round(0.2 * len(table.y))


def test_validation_does_not_ask_a_class_for_the_row_that_test_has_taken() -> None:
    # quotas 0.8 and 0.2, all equal: test takes a row of the first class, whose other row is for training
    division = split(classes(2, 2, 2, 2, 2), 0.4, 0.1, 0)
    assert (len(division.train), len(division.validation), len(division.test)) == (5, 4, 1)


def test_equal_split_seeds_divide_equally_and_others_do_not() -> None:
    table = Digits().load()
    again = parts(Digits().split(Digits().load()))
    assert all(np.array_equal(a, b) for a, b in zip(parts(Digits().split(table)), again, strict=True))
    for a, b in zip(parts(Digits().split(table)), parts(Digits(split_seed=1).split(table)), strict=True):
        assert not np.array_equal(a, b)


def test_the_division_is_the_same_in_every_process_and_in_every_run() -> None:
    # the first rows of each part, recorded; Philox is one of the streams whose numbers numpy promises to keep
    division = Digits().split(Digits().load())
    assert division.test[:8].tolist() == [10, 13, 17, 19, 24, 40, 41, 54]
    assert division.validation[:8].tolist() == [1, 2, 9, 15, 18, 21, 23, 27]


def test_the_division_neither_reads_nor_moves_the_streams_of_numpy_and_torch() -> None:
    table = Digits().load()
    drawn = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        drawn.append(Digits().split(table).test)
    assert np.array_equal(drawn[0], drawn[1])
    assert np.random.rand() == np.random.RandomState(2).rand()
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(2)))


def test_a_part_of_share_0_is_empty() -> None:
    division = split(classes(5, 5), 0.0, 0.2, 0)
    assert (len(division.train), len(division.validation), len(division.test)) == (8, 0, 2)


def test_targets_that_are_numbers_are_divided_as_one_group() -> None:
    table = Table(np.zeros((10, 1)), np.linspace(0, 1, 10), classes=None)
    division = split(table, 0.2, 0.3, 0)
    assert (len(division.train), len(division.validation), len(division.test)) == (5, 2, 3)


def test_shares_that_leave_nothing_for_training_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        split(classes(5, 5), 0.5, 0.5, 0)
    assert str(refused.value) == (
        "dataset.validation=0.5 is refused\n"
        "  allowed: validation + test < 1, since the rest is for training; test is 0.5\n"
        "  do this: give a smaller dataset.validation=... or dataset.test=..."
    )


@pytest.mark.parametrize(("shares", "part"), [((0.1, 0.4), "validation"), ((0.4, 0.1), "test")])
def test_a_part_that_was_asked_for_and_would_be_empty_is_refused(shares: tuple[float, float], part: str) -> None:
    with pytest.raises(ConfigError) as refused:
        split(classes(2, 2), *shares, 0)
    assert str(refused.value) == (
        f"dataset.{part}=0.1 is refused\n"
        "  allowed: 0, or at least one row in the part; it would have none of the 4 rows\n"
        "  do this: give a larger share or more data"
    )


QUOTAS = st.lists(st.floats(0, 50), min_size=1, max_size=12).map(np.array)


@settings(derandomize=True, database=None)
@given(QUOTAS)
def test_apportioned_numbers_add_up_and_are_quotas_rounded_down_or_up(quotas: Array) -> None:
    total = round(float(quotas.sum()))
    counts = apportion(quotas, total, room=np.full(len(quotas), 100))
    assert counts.sum() == total
    assert ((counts == np.floor(quotas)) | (counts == np.floor(quotas) + 1)).all()


@settings(derandomize=True, database=None)
@given(QUOTAS)
def test_no_larger_remainder_is_passed_over(quotas: Array) -> None:
    counts = apportion(quotas, round(float(quotas.sum())), room=np.full(len(quotas), 100))
    remainder = quotas - np.floor(quotas)
    up = counts > np.floor(quotas)
    assert up.all() or not up.any() or remainder[up].min() >= remainder[~up].max()


@settings(derandomize=True, database=None)
@given(QUOTAS, st.data())
def test_apportioned_numbers_fill_their_room_at_most_and_fall_short_only_where_all_is_full(
    quotas: Array, data: st.DataObject
) -> None:
    room = np.array(data.draw(st.lists(st.integers(0, 60), min_size=len(quotas), max_size=len(quotas))))
    total = round(float(quotas.sum()))
    counts = apportion(quotas, total, room)
    assert (counts <= room).all()
    assert counts.sum() == min(total, room.sum())
