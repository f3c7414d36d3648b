"""Made-up examples: each held against its formula, or against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from runner.core.errors import ConfigError
from runner.dataset.blobs import Blobs
from runner.dataset.circles import Circles
from runner.dataset.house4 import House4
from runner.dataset.least_squares import LeastSquares
from runner.dataset.none import NoDataset
from runner.dataset.ravine_offset import RavineOffset
from runner.dataset.sine import Sine
from runner.dataset.spirals import Spirals
from runner.dataset.two_moons import TwoMoons


@pytest.mark.parametrize("n", [10, 11, 500])
def test_two_moons_without_noise_are_those_of_scikit_learn(n: int) -> None:
    ours = TwoMoons(examples=n, noise=0).load()
    x, y = datasets.make_moons(n, shuffle=False, noise=None)
    np.testing.assert_allclose(ours.x, x, rtol=0, atol=1e-15)  # one rounding of numbers up to 2
    assert np.array_equal(ours.y, y)


@pytest.mark.parametrize("n", [10, 11, 500])
def test_circles_without_noise_are_those_of_scikit_learn(n: int) -> None:
    ours = Circles(examples=n, noise=0, factor=0.3).load()
    x, y = datasets.make_circles(n, shuffle=False, noise=None, factor=0.3)
    np.testing.assert_allclose(ours.x, x, rtol=0, atol=1e-15)
    assert np.array_equal(ours.y, y)


@pytest.mark.parametrize("made", [TwoMoons(noise=0.3), Circles(noise=0.3), Spirals(noise=0.3)], ids=type)
def test_noise_has_mean_0_and_the_deviation_that_was_asked_for(made: TwoMoons) -> None:
    noise = made.load().x - type(made)(noise=0).load().x
    # 2000 numbers: the mean is within 4 sigma of 0, 0.3 * 4 / sqrt(2000); the deviation within 4 / sqrt(4000) = 6 %
    assert abs(noise.mean()) < 0.027
    assert noise.std() == pytest.approx(0.3, rel=0.064)


def test_a_spiral_by_hand() -> None:
    # arm 0, i = 0 of 2: r = 1/4, angle 2 pi (1/4) = 90 degrees: (0, 1/4); i = 1: r = 3/4, 270 degrees: (0, -3/4)
    # arm 1 is turned by 180 degrees
    table = Spirals(examples=4, arms=2, turns=1, noise=0).load()
    np.testing.assert_allclose(table.x, [[0, 0.25], [0, -0.75], [0, -0.25], [0, 0.75]], atol=1e-15)
    assert table.y.tolist() == [0, 0, 1, 1]


def test_blobs_lie_around_their_centres_with_the_deviation_that_was_asked_for() -> None:
    table = Blobs(examples=3000, clouds=3, features=4, std=0.5, spread=2.0).load()
    assert np.bincount(table.y).tolist() == [1000, 1000, 1000]
    for k in range(3):
        cloud = table.x[table.y == k]
        assert np.abs(cloud.mean(axis=0)).max() < 2 + 4 * 0.5 / 1000**0.5
        np.testing.assert_allclose(cloud.std(axis=0), 0.5, rtol=4 / 2000**0.5)


@pytest.mark.parametrize(("n", "d", "condition"), [(10000, 500, 2.5), (200, 20, 1107.0), (30, 30, 1e6), (5, 1, 1.0)])
def test_least_squares_has_the_conditioning_that_is_stated(n: int, d: int, condition: float) -> None:
    table = LeastSquares(examples=n, features=d, condition=condition).load()
    found = np.linalg.eigvalsh(table.x.T @ table.x / n)
    # eigenvalues of size 1 are exact to d eps = 1e-13, relatively to the largest
    np.testing.assert_allclose(found, np.geomspace(1 / condition, 1, d), rtol=0, atol=1e-12)
    assert table.x.shape == (n, d)


def test_least_squares_without_noise_follow_a_linear_model_and_with_noise_miss_it_by_that() -> None:
    exact, noisy = (LeastSquares(examples=2000, features=5, noise=noise).load() for noise in (0.0, 0.5))
    w, *_ = np.linalg.lstsq(exact.x, exact.y, rcond=None)
    np.testing.assert_allclose(exact.x @ w, exact.y, rtol=0, atol=1e-12)
    assert np.array_equal(noisy.x, exact.x)
    assert (noisy.y - exact.y).std() == pytest.approx(0.5, rel=4 / 4000**0.5)


def test_a_sine_has_the_frequency_and_the_noise_that_were_asked_for() -> None:
    table = Sine(examples=2000, frequency=3.0, noise=0.2).load()
    assert np.abs(table.x).max() <= np.pi
    assert (table.y - np.sin(3 * table.x[:, 0])).std() == pytest.approx(0.2, rel=4 / 4000**0.5)


def test_the_four_houses_are_those_of_the_lecture_and_badly_conditioned() -> None:
    table = House4().load()
    assert table.x.tolist() == [[2104, 5, 1, 45], [1416, 3, 2, 40], [1534, 3, 2, 30], [852, 2, 1, 36]]
    assert table.y.tolist() == [460, 232, 315, 178]
    assert np.linalg.cond(table.x) ** 2 == pytest.approx(1.4e9, rel=0.05)
    assert np.linalg.matrix_rank(table.x - table.x.mean(axis=0)) == 3


def test_the_rows_around_1000_are_those_of_the_lecture_and_centring_conditions_them() -> None:
    table = RavineOffset().load()
    assert table.x.tolist() == [[1003.2, 1005.1], [1001.1, 1008.2], [998.3, 1003.4]]
    assert table.y.tolist() == [3.3, 4.8, 2.9]
    assert np.linalg.cond(table.x) ** 2 == pytest.approx(8.8e5, rel=0.01)
    assert np.linalg.cond(table.x - table.x.mean(axis=0)) ** 2 == pytest.approx(2.5, rel=0.01)


def test_tables_that_are_not_divided_say_so() -> None:
    assert House4().remarks(House4().load()) == [
        "all 4 rows are trained on and judged on: val_ numbers say nothing about new examples"
    ]


def test_no_data_set_has_a_row_for_each_step_of_its_cycle_and_nothing_to_predict() -> None:
    table = NoDataset(rows=3).load()
    assert (table.x.tolist(), table.y.tolist(), table.classes) == ([[0.0]] * 3, [0, 1, 2], ())


@pytest.mark.parametrize(
    ("cls", "name"), [(Blobs, "clouds"), (Spirals, "arms"), (LeastSquares, "features")], ids=lambda made: str(made)
)
def test_more_classes_or_columns_than_examples_are_refused(cls: type[Blobs], name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        cls(examples=5, **{name: 6})
    assert str(refused.value) == (
        f"{name}=6 is refused\n  allowed: a whole number up to examples, which is 5\n"
        f"  do this: give a smaller {name}=... or more examples"
    )
