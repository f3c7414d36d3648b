"""Centring, intervals, whitening, and several maps in a row: each against its definition or scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler

from runner.core.errors import ConfigError
from runner.dataset.breast_cancer import BreastCancer
from runner.dataset.diabetes import Diabetes
from runner.dataset.digits import Digits
from runner.preprocess.center import Center
from runner.preprocess.chain import Chain
from runner.preprocess.min_max import MinMax
from runner.preprocess.standardize import Standardize
from runner.preprocess.whiten_pca import WhitenPca
from runner.preprocess.whiten_zca import WhitenZca

Array = np.ndarray[Any, Any]
ALL = [Digits(), BreastCancer(), Diabetes()]
HOUSES = np.array([[2104.0, 5, 1, 45], [1416, 3, 2, 40], [1534, 3, 2, 30], [852, 2, 1, 36]])  # rank 3 once centred
each_data = pytest.mark.parametrize("made", ALL, ids=lambda made: type(made).__name__)
each_whitening = pytest.mark.parametrize("map", [WhitenPca(), WhitenZca()], ids=lambda map: type(map).__name__)


def parts(made: Any) -> tuple[Array, Array]:
    """Training and validation inputs as tables."""
    table = made.load()
    division = made.split(table)
    return tuple(table.x[rows].reshape(len(rows), -1) for rows in (division.train, division.validation))  # type: ignore


def test_centring_by_hand() -> None:
    # means 2 and 10 of the training rows; a later row loses the same
    statistics = Center().fit(np.array([[1.0, 10.0], [3.0, 10.0]]))
    assert Center().transform(np.array([[8.0, 11.0]]), statistics).tolist() == [[6.0, 1.0]]


@each_data
def test_min_max_equals_the_scaler_of_scikit_learn(made: Any) -> None:
    train, held_out = parts(made)
    for low, high in ((0.0, 1.0), (-1.0, 3.0)):
        twin = MinMaxScaler(feature_range=(low, high)).fit(train)
        map = MinMax(low=low, high=high)
        # float64 on both sides, in another order
        np.testing.assert_allclose(
            map.transform(held_out, map.fit(train)), twin.transform(held_out), rtol=1e-12, atol=1e-12
        )


def test_a_constant_column_is_moved_to_the_lower_end_and_named() -> None:
    x = np.array([[1.0, 7.0], [3.0, 7.0]])
    statistics = MinMax(low=-1.0).fit(x)
    assert MinMax(low=-1.0).transform(np.array([[1.0, 8.0]]), statistics).tolist() == [[-1.0, 1.0]]  # -1 + 2 (8 - 7)
    assert MinMax(low=-1.0).remarks(statistics) == [
        "1 of 2 input columns (1) are constant in training: moved to -1, not scaled"
    ]


def test_the_whole_range_of_float64_can_be_mapped_to_an_interval() -> None:
    x = np.array([[-1.5e308], [0.0], [1.5e308]])
    assert MinMax().transform(x, MinMax().fit(x)).tolist() == [[0.0], [0.5], [1.0]]


def test_an_interval_that_is_empty_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        MinMax(low=1.0, high=1.0)
    assert str(refused.value) == (
        "high=1.0 is refused\n  allowed: a number above low, which is 1.0\n  do this: give high=... above it"
    )


@each_whitening
@each_data
def test_whitened_training_rows_have_the_identity_as_covariance(made: Any, map: Any) -> None:
    train, _ = parts(made)
    statistics = map.fit(train)
    mapped = map.transform(train, statistics)
    wanted = np.eye(train.shape[1])
    if isinstance(map, WhitenPca):
        wanted[statistics["flat"], statistics["flat"]] = 0
    else:
        axes = statistics["axes"][~statistics["flat"]]
        wanted = axes.T @ axes  # the identity where there is variance
    # a singular value is exact to eps s_max; the smallest that counts here is 5e-6 of it: 1e-16 / 5e-6 = 2e-11, squared
    np.testing.assert_allclose(mapped.T @ mapped / len(train), wanted, rtol=0, atol=1e-9)


@each_data
def test_whitening_along_axes_equals_the_pca_of_scikit_learn_with_divisor_n(made: Any) -> None:
    train, held_out = parts(made)
    n = len(train)
    statistics = WhitenPca().fit(train)
    used = ~statistics["flat"]
    twin = PCA(n_components=int(used.sum()), whiten=True, svd_solver="full").fit(train)
    theirs = twin.transform(held_out) * np.sqrt(n / (n - 1))
    ours = WhitenPca().transform(held_out, statistics)[:, used]
    signs = np.sign((ours * theirs).sum(axis=0))  # an axis has no sign of its own
    # gaps between variances decide how well an axis is determined; the closest here are 1e-3 apart, relatively
    np.testing.assert_allclose(ours, theirs * signs, rtol=1e-6, atol=1e-6)


def test_zca_is_the_inverse_root_of_the_covariance() -> None:
    train, held_out = parts(Diabetes())
    mean, covariance = train.mean(axis=0), np.cov(train.T, ddof=0)
    variances, vectors = np.linalg.eigh(covariance + 0.5 * np.eye(10))
    root = vectors @ np.diag(variances**-0.5) @ vectors.T
    map = WhitenZca(eps=0.5)
    # the condition of this covariance is 1e5
    np.testing.assert_allclose(map.transform(held_out, map.fit(train)), (held_out - mean) @ root, rtol=1e-9, atol=1e-9)


def test_whitening_by_hand() -> None:
    # mean 0, variances (9 + 9) / 4 = 4.5 along (1, 0) and (1 + 1) / 4 = 0.5 along (0, 1): factors sqrt(2)/3 and sqrt(2)
    x = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for map in (WhitenPca(), WhitenZca()):
        mapped = map.transform(np.array([[3.0, 1.0]]), map.fit(x))
        np.testing.assert_allclose(mapped, [[2**0.5, 2**0.5]], rtol=1e-15)  # two roundings
    damped = WhitenPca(eps=4.5)
    # 3 / sqrt(4.5 + 4.5) = 1 and 1 / sqrt(0.5 + 4.5)
    np.testing.assert_allclose(damped.transform(np.array([[3.0, 1.0]]), damped.fit(x)), [[1.0, 5**-0.5]], rtol=1e-15)


@each_whitening
def test_four_houses_with_four_columns_have_a_direction_without_variance_which_is_said(map: Any) -> None:
    statistics = map.fit(HOUSES)
    assert statistics["flat"].tolist() == [False, False, False, True]
    assert map.remarks(statistics) == ["1 of 4 directions have no variance in training: set to 0"]
    assert np.abs(map.transform(HOUSES, statistics)).max() < 2  # 4 points of variance 1 lie within sqrt(3)


@each_whitening
def test_rounding_around_a_constant_is_not_taken_for_a_direction(map: Any) -> None:
    x = np.column_stack([1e-4 * np.arange(10.0), np.full(10, 1e6) * (1 + 1e-16 * np.arange(10))])
    x[3, 1] = np.nextafter(1e6, 2e6)
    statistics = map.fit(x)
    assert statistics["flat"].sum() == 1
    later = x[:1] + np.array([[0.0, 1.0]])
    assert np.abs(map.transform(later, statistics)).max() < 3


def test_a_chain_is_its_steps_one_after_the_other() -> None:
    train, held_out = parts(BreastCancer())
    map = Chain(steps={"first": Standardize(), "second": WhitenPca(eps=0.1)})
    first = Standardize().fit(train)
    second = WhitenPca(eps=0.1).fit(Standardize().transform(train, first))
    by_hand = WhitenPca(eps=0.1).transform(Standardize().transform(held_out, first), second)
    statistics = map.fit(train)
    assert map.transform(held_out, statistics).tobytes() == by_hand.tobytes()
    assert set(statistics) == {f"first.{name}" for name in first} | {f"second.{name}" for name in second}


def test_a_chain_maps_targets_step_by_step_and_says_whose_remark_it_is() -> None:
    map = Chain(steps={"first": MinMax(low=1.0, high=3.0), "second": Center()})
    y = np.array([10.0, 20.0, 60.0])
    # 1 + 2 (y - 10) / 50 = 1, 1.4, 3 with mean 1.8
    np.testing.assert_allclose(map.transform_target(y, map.fit_target(y)), [-0.8, -0.4, 1.2], rtol=1e-14)
    assert map.remarks(map.fit(np.ones((3, 1)))) == [
        "first: 1 of 1 input columns (0) are constant in training: moved to 1, not scaled"
    ]
    assert map.label == "min_max low=1.0 high=3.0 > center"


@each_whitening
@pytest.mark.parametrize("last", [Standardize(), MinMax()], ids=lambda map: type(map).__name__)
def test_a_later_step_does_not_blow_up_the_rounding_of_a_direction_without_variance(map: Any, last: Any) -> None:
    train, held_out = parts(Digits())
    both = Chain(steps={"first": map, "second": last})
    # some pixels are black in all training images but for a few: the largest of 1257 values is below sqrt(1257) sigma
    assert np.abs(both.transform(held_out, both.fit(train))).max() < 1257


def test_a_chain_of_nothing_changes_nothing() -> None:
    assert Chain().transform(HOUSES, Chain().fit(HOUSES)).tobytes() == HOUSES.tobytes()


@pytest.mark.parametrize(
    "map",
    [Center(), MinMax(), WhitenPca(), WhitenZca(), Chain(steps={"a": Standardize(), "b": WhitenZca()})],
    ids=lambda map: type(map).__name__,
)
def test_other_test_and_validation_rows_change_no_bit_of_the_statistics(map: Any) -> None:
    table = Diabetes().load()
    division = Diabetes().split(table)
    before = map.fit(table.x[division.train])
    for rows in (division.validation, division.test):
        table.x[rows] = 1e9
    after = map.fit(table.x[division.train])
    assert {name: array.tobytes() for name, array in before.items()} == {
        name: array.tobytes() for name, array in after.items()
    }
