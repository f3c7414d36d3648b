"""Mean 0 and deviation 1, fitted on the training part alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from runner.dataset.breast_cancer import BreastCancer
from runner.dataset.diabetes import Diabetes
from runner.dataset.digits import Digits
from runner.preprocess.none import NoPreprocess
from runner.preprocess.standardize import Standardize

ALL = [Digits(), BreastCancer(), Diabetes()]


@pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
def test_it_equals_the_scaler_of_scikit_learn(made: Any) -> None:
    # digits have columns that are constant in training; 1e-12: both are float64, only the order of sums differs
    table = made.load()
    division = made.split(table)
    train, held_out = table.x[division.train], table.x[division.validation]
    statistics = Standardize().fit(train)
    twin = StandardScaler().fit(train.reshape(len(train), -1))
    ours = Standardize().transform(held_out, statistics).reshape(len(held_out), -1)
    np.testing.assert_allclose(ours, twin.transform(held_out.reshape(len(held_out), -1)), rtol=1e-12, atol=1e-12)
    assert np.array_equal(statistics["constant"].ravel(), twin.var_ == 0)


def test_digits_have_constant_columns_in_training_which_are_counted_and_named() -> None:
    table = Digits().load()
    statistics = Standardize().fit(table.x[Digits().split(table).train])
    constant = np.flatnonzero(statistics["constant"])
    assert constant.tolist() == [0, 32, 39, 56]
    assert (statistics["deviation"].ravel()[constant] == 1).all()
    assert Standardize().remarks(statistics) == [
        "4 of 64 input columns (0, 32, 39, 56) are constant in training: centred, not scaled"
    ]


def test_at_most_eight_constant_columns_are_named() -> None:
    statistics = Standardize().fit(np.ones((3, 20)))
    assert Standardize().remarks(statistics) == [
        "20 of 20 input columns (0, 1, 2, 3, 4, 5, 6, 7, ...) are constant in training: centred, not scaled"
    ]


def test_without_constant_columns_there_is_nothing_to_remark() -> None:
    assert Standardize().remarks(Standardize().fit(np.array([[1.0], [2.0]]))) == []


@pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
def test_training_inputs_have_mean_0_and_deviation_1_but_for_constant_columns(made: Any) -> None:
    x = made.load().x
    statistics = Standardize().fit(x)
    mapped = Standardize().transform(x, statistics)
    # the mean of N numbers of size 1 is exact to about N eps = 4e-13
    np.testing.assert_allclose(mapped.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(mapped.std(axis=0), np.where(statistics["constant"], 0, 1), atol=1e-12)


def test_by_hand() -> None:
    # mean (1 + 5) / 2 = 3, deviation sqrt(((1 - 3)^2 + (5 - 3)^2) / 2) = 2 with divisor N; 8 -> (8 - 3) / 2
    statistics = Standardize().fit(np.array([[1.0], [5.0]]))
    assert Standardize().transform(np.array([[8.0]]), statistics).tolist() == [[2.5]]


@pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
def test_other_test_and_validation_rows_change_no_bit_of_the_statistics(made: Any) -> None:
    table = made.load()
    division = made.split(table)
    before = Standardize().fit(table.x[division.train])
    for rows in (division.validation, division.test):
        table.x[rows] = 1e9
    after = Standardize().fit(table.x[division.train])
    assert {name: array.tobytes() for name, array in before.items()} == {
        name: array.tobytes() for name, array in after.items()
    }


def test_a_column_that_is_constant_in_training_keeps_its_unit_where_it_differs_later() -> None:
    statistics = Standardize().fit(np.full((5, 1), 7.0))
    assert Standardize().transform(np.array([[7.0], [9.0]]), statistics).tolist() == [[0.0], [2.0]]


def test_the_corner_of_a_digit_that_is_white_in_training_alone_stays_within_its_grey_levels() -> None:
    table = Digits().load()
    division = Digits().split(table)
    statistics = Standardize().fit(table.x[division.train])
    assert table.x.reshape(-1, 64)[division.train, 56].max() == 0
    assert table.x.reshape(-1, 64)[:, 56].max() == 1
    assert Standardize().transform(table.x, statistics).reshape(-1, 64)[:, 56].max() == 1


def test_rounding_noise_around_a_constant_is_not_blown_up() -> None:
    # 0.1 + 0.2 differs from 0.3 in the last bit, a deviation of about 1e-17
    x = np.array([[0.3], [0.1 + 0.2], [0.3]])
    statistics = Standardize().fit(x)
    assert statistics["constant"].tolist() == [True]
    assert abs(Standardize().transform(np.array([[0.4]]), statistics).item()) < 0.2


def test_a_small_deviation_beside_a_large_mean_is_information() -> None:
    x = np.array([[1e6], [1e6 + 1e-3]])  # deviation over magnitude: 5e-10, well above 1e-12
    statistics = Standardize().fit(x)
    assert statistics["constant"].tolist() == [False]
    np.testing.assert_allclose(Standardize().transform(x, statistics), [[-1], [1]], rtol=1e-6)  # eps 1e6 / 1e-3


@pytest.mark.parametrize("unit", [1e200, 1e-200, 1e307])
def test_units_whose_squares_are_infinite_or_zero_do_not_matter(unit: float) -> None:
    x = np.array([[1.0, -3.0], [3.0, 3.0]]) * unit
    statistics = Standardize().fit(x)
    # four roundings in float64
    np.testing.assert_allclose(Standardize().transform(x, statistics), [[-1, -1], [1, 1]], rtol=1e-15)


def test_the_shape_of_images_stays() -> None:
    x = Digits().load().x
    statistics = Standardize().fit(x)
    assert statistics["mean"].shape == statistics["deviation"].shape == (1, 8, 8)
    assert Standardize().transform(x[:5], statistics).shape == (5, 1, 8, 8)


def test_the_inputs_themselves_stay_as_they_are() -> None:
    x = np.array([[1.0], [2.0]])
    Standardize().transform(x, Standardize().fit(x))
    assert x.tolist() == [[1.0], [2.0]]


def test_targets_that_are_numbers_are_standardized_too() -> None:
    table = Diabetes().load()
    division = Diabetes().split(table)
    train, test = table.y[division.train], table.y[division.test]
    statistics = Standardize().fit_target(train)
    # both are float64, only the order of sums differs
    twin = StandardScaler().fit(train[:, None])
    ours = Standardize().transform_target(test, statistics)
    np.testing.assert_allclose(ours, twin.transform(test[:, None])[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("choice", [Standardize(target=False), NoPreprocess()])
def test_targets_stay_as_they_are_where_that_is_asked_for(choice: Any) -> None:
    y = np.array([1.0, 5.0])
    assert choice.fit_target(y) == {}
    assert choice.transform_target(y, {}).tolist() == [1.0, 5.0]


def test_no_preprocessing_leaves_every_bit() -> None:
    x = Digits().load().x
    assert NoPreprocess().fit(x) == {}
    assert NoPreprocess().transform(x, {}).tobytes() == x.tobytes()
    assert NoPreprocess().remarks({}) == []
